/** A JSON string, which may hold digits; or a number. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/gs;
/** As most numbers are; Postgres writes neither `-0` nor zeros in front. */
const SMALL_INTEGER = /^-?\d{1,15}$/;

/** Without an exponent, as Postgres writes a number of jsonb. */
function writeOut(number: string): string {
  const [, sign = '', whole = '', fraction = '', exponent] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(number) ?? [];
  if (exponent === undefined) return number;
  const digits = whole + fraction;
  const point = whole.length + Number(exponent);
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  return sign + digits.padEnd(point, '0');
}

/**
 * A leaf hashes a number as RFC 8785 writes it, after it was read as a double: `1` and `1.0` are hashed alike, neighbours beyond
 * 2^53 are, and so is all that is too large. The server writes none but the one of them that JavaScript writes.
 * @param json as Postgres writes jsonb
 * @returns the first number that the leaf cannot tell from another one, and that no server wrote
 */
export function findForeignNumber(json: string): string | undefined {
  for (const [token] of json.matchAll(TOKEN)) {
    if (token.startsWith('"') || SMALL_INTEGER.test(token)) continue;
    if (token !== writeOut(String(Number(token)))) return token;
  }
  return undefined;
}
