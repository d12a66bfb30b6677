/** Matches a JSON string, because strings may hold digits, or a number. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/gs;
/** Matches most numbers; Postgres writes neither `-0` nor leading zeros. */
const SMALL_INTEGER = /^-?\d{1,15}$/;

/** Writes a number without an exponent, as Postgres writes a number of jsonb. */
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
 * Finds a number that hides a change. A leaf hashes a number as RFC 8785 writes it, after it was read as a double:
 * `1` and `1.0` have the same hash, and so have neighbours beyond 2^53 and all numbers that are too large. The server
 * only ever writes the form that JavaScript writes.
 * @param json as Postgres writes jsonb
 * @returns the first number in another form, which no server wrote and which the leaf cannot tell from another number
 */
export function findForeignNumber(json: string): string | undefined {
  for (const [token] of json.matchAll(TOKEN)) {
    if (token.startsWith('"') || SMALL_INTEGER.test(token)) continue;
    if (token !== writeOut(String(Number(token)))) return token;
  }
  return undefined;
}
