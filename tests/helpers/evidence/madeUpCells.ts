import type { Json } from '@/tlog/canonicalJson';

/** Returns JSON as Postgres writes jsonb: short names first, with spaces. */
export function jsonbText(value: Json): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((one) => jsonbText(one as Json)).join(', ')}]`;
  const members = Object.entries(value as Record<string, Json>)
    .sort(([one], [other]) => one.length - other.length || (one < other ? -1 : 1))
    .map(([name, one]) => `${JSON.stringify(name)}: ${jsonbText(one)}`);
  return `{${members.join(', ')}}`;
}

/** Applies the apostrophe rule of README.txt. */
export const guard = (text: string): string =>
  /^['=+\-@\t\n\r＝＋－＠]/.test(text) ? `'${text}` : text;

/** Returns a cell as Postgres writes it. */
export function csvCell(text: string | null): string {
  if (text === null) return '';
  return text === '' || text === '\\.' || /[",\r\n]/.test(text)
    ? `"${text.replaceAll('"', '""')}"`
    : text;
}
