/** A place in a text that is read from left to right. Nothing is read twice, so long texts are safe. */
export interface TextCursor {
  readonly text: string;
  at: number;
}

const isSpace = (char: string | undefined) => char === ' ';
const NAME_CHARACTER = /[A-Za-z0-9$_-]/;

/** Skips spaces, and returns whether there was one. */
export function skipSpaces(cursor: TextCursor): boolean {
  const start = cursor.at;
  while (isSpace(cursor.text[cursor.at])) cursor.at += 1;
  return cursor.at > start;
}

/** Reads the character that is expected here, if it is there. */
export function take(cursor: TextCursor, char: string): boolean {
  if (cursor.text[cursor.at] !== char) return false;
  cursor.at += 1;
  return true;
}

export const isAtEnd = ({ text, at }: TextCursor): boolean => at >= text.length;

/** Reads the letters and digits of a name; empty if there are none. */
export function readWord(cursor: TextCursor): string {
  const start = cursor.at;
  for (;;) {
    const char = cursor.text[cursor.at];
    if (char === undefined || !NAME_CHARACTER.test(char)) break;
    cursor.at += 1;
  }
  return cursor.text.slice(start, cursor.at);
}

/** Returns the place after the quote that ends a JSON string, or undefined if none does. */
function endOfString({ text, at }: TextCursor): number | undefined {
  for (let place = at + 1; place < text.length; place += 1) {
    if (text[place] === '"') return place + 1;
    if (text[place] === '\\') place += 1;
  }
  return undefined;
}

/**
 * Reads a JSON string, `true` or `false` (RFC 7644 3.4.2.2).
 * @returns undefined for anything else
 */
export function readLiteral(cursor: TextCursor): string | boolean | undefined {
  if (cursor.text[cursor.at] !== '"') {
    const word = readWord(cursor).toLowerCase();
    return word === 'true' ? true : word === 'false' ? false : undefined;
  }
  const end = endOfString(cursor);
  if (end === undefined) return undefined;
  const quoted = cursor.text.slice(cursor.at, end);
  cursor.at = end;
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return undefined;
  }
}
