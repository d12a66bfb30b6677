export type Json =
  string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/**
 * Serialises a value as RFC 8785 requires: names sorted by UTF-16 code units, no white space. The signer and the
 * verifier therefore hash the same bytes.
 */
export function canonicalJson(value: Json): string {
  // jsonb can hold a number too large for a double. It must not look like null, and no valid JSON looks like this.
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (isList(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const members = Object.keys(value)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonicalJson(value[name] ?? null)}`);
  return `{${members.join(',')}}`;
}

const isList = (value: object): value is readonly Json[] => Array.isArray(value);
