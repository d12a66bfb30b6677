/**
 * Characters that stand between and around digits on screens, in mails and in pasted text, and that
 * Japanese keyboards write for a dash.
 */
const BETWEEN = /[\s\p{Cf}\p{Pd}\u2212\u30fc]/gu;

const isDigit = (codePoint: number) => /^\p{Nd}$/u.test(String.fromCodePoint(codePoint));

/**
 * Unicode keeps the ten digits of a script together, in order, so the position in the run is the
 * value.
 */
function toAsciiDigit(digit: string): string {
  const codePoint = digit.codePointAt(0) ?? 0;
  let before = 0;
  while (isDigit(codePoint - before - 1)) before += 1;
  return String(before % 10);
}

/**
 * Normalises a typed or pasted code: it removes white space, format characters and dashes of every
 * kind, and converts full-width letters and the digits of every script to ASCII.
 */
export const readTypedCode = (typed: string): string =>
  typed
    .normalize('NFKC')
    .replace(BETWEEN, '')
    .replace(/\p{Nd}/gu, toAsciiDigit);
