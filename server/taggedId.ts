import { parse, stringify } from 'uuid';
import { isSameSecret } from './isSameSecret';
import type { HashPurpose, KeyRing } from './keyRing';

/** The kind of an id; each kind has its own key and prefix. */
export interface TagKind {
  readonly purpose: HashPurpose;
  readonly prefix: string;
}

const UUID_BYTES = 16;
const TAG_BYTES = 16;

/**
 * Returns a row's id with a tag that only this server can create. A row's id alone, for example
 * from the audit log, cannot be used, and nothing secret is stored.
 */
export function tagId(keys: KeyRing, kind: TagKind, id: string): string {
  const tag = keys.hash(kind.purpose, id).subarray(0, TAG_BYTES);
  const bytes = Buffer.concat([Buffer.from(parse(id)), tag]);
  return kind.prefix + bytes.toString('base64url');
}

/** @returns the row's id, or null for anything that this server did not issue for this kind */
export function readTaggedId(keys: KeyRing, kind: TagKind, tagged: string): string | null {
  const encoded = tagged.slice(kind.prefix.length);
  const bytes = Buffer.from(encoded, 'base64url');
  // Accept only the canonical encoding: another string that decodes to the same bytes is not the
  // same id.
  if (tagged !== kind.prefix + bytes.toString('base64url')) return null;
  if (bytes.length !== UUID_BYTES + TAG_BYTES) return null;
  let id: string;
  try {
    id = stringify(bytes.subarray(0, UUID_BYTES));
  } catch {
    return null;
  }
  const given = bytes.subarray(UUID_BYTES);
  const tags = keys.hashAll(kind.purpose, id).map((hash) => hash.subarray(0, TAG_BYTES));
  return tags.some((tag) => isSameSecret(tag, given)) ? id : null;
}
