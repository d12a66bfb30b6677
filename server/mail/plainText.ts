/**
 * Turns text that somebody else chose into one line of a mail: without control characters, line
 * breaks and marks that reverse the direction of text, and cut to a length.
 * @param most the limit in characters
 */
export function toLine(text: string, most: number): string {
  const line = text
    .replaceAll(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
  const characters = [...line];
  return characters.length <= most ? line : `${characters.slice(0, most - 1).join('')}…`;
}

/**
 * Turns text that somebody else chose into one line, of which no mail program makes a link.
 * @param most the limit in characters, before dots and signs are spread out
 */
export const withoutLinks = (text: string, most: number): string =>
  toLine(text, most)
    .replaceAll('://', ' ')
    .replaceAll('@', ' ')
    .replaceAll(/\.(?=\p{L})/gu, '. ');
