import { canonicalJson } from '../tlog/canonicalJson';
import type { Json } from '../tlog/canonicalJson';

/** Matches the tokens of a JSON text. */
const TOKENS = /"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null|[{}[\],:]/g;

/** Returns a number in a normal form: its digits without zeros at either end, and its exponent. */
function digitsOf(text: string): string {
  const [, sign = '', whole = '', , part = '', exponent = '0'] =
    /^(-?)([0-9]+)(\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/.exec(text) ?? [];
  const all = (whole + part).replace(/^0+/, '');
  const digits = all.replace(/0+$/, '');
  if (digits === '') return '0';
  return `${sign}${digits}e${Number(exponent) - part.length + all.length - digits.length}`;
}

const plain = (token: string): string => (/^-?[0-9]/.test(token) ? digitsOf(token) : token);
const tokensOf = (text: string): string => (text.match(TOKENS) ?? []).map(plain).sort().join('\n');

/**
 * Reads JSON that has only one meaning: no member twice, no number that would be rounded, no
 * unnecessary escape.
 * @returns its canonical form by RFC 8785, or undefined for anything else
 */
export function toCanonical(text: string): string | undefined {
  let canonical: string;
  try {
    canonical = canonicalJson(JSON.parse(text) as Json);
  } catch {
    return undefined;
  }
  if (text === canonical) return canonical;
  return tokensOf(text) === tokensOf(canonical) ? canonical : undefined;
}
