/**
 * One line of a mail from a text that somebody else chose: no control characters, line breaks, or marks that turn text
 * around, and no longer than asked for.
 * @param most characters
 */
export function toLine(text: string, most: number): string {
  const line = text
    .replaceAll(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
  const characters = [...line];
  return characters.length <= most ? line : `${characters.slice(0, most - 1).join('')}…`;
}
