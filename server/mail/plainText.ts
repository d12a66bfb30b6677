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
