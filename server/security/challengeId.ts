import { timingSafeEqual } from 'node:crypto';
import { parse, stringify, validate } from 'uuid';
import type { KeyRing } from '../keyRing';

const PREFIX = 'chl_';
const UUID_BYTES = 16;
const TAG_BYTES = 16;

/**
 * The id that a client holds: the row's id with a tag that only this server can make. Knowing a row's id,
 * from the audit log say, is not enough to use the challenge, and nothing secret is stored.
 */
export function toChallengeId(keys: KeyRing, rowId: string): string {
  const tag = keys.hash('challenge', rowId).subarray(0, TAG_BYTES);
  return PREFIX + Buffer.concat([Buffer.from(parse(rowId)), tag]).toString('base64url');
}

/** @returns the row's id, or null for anything that this server did not hand out */
export function fromChallengeId(keys: KeyRing, challengeId: string): string | null {
  if (!challengeId.startsWith(PREFIX)) return null;
  const bytes = Buffer.from(challengeId.slice(PREFIX.length), 'base64url');
  if (bytes.length !== UUID_BYTES + TAG_BYTES) return null;
  let rowId: string;
  try {
    rowId = stringify(bytes.subarray(0, UUID_BYTES));
  } catch {
    return null;
  }
  const tag = keys.hash('challenge', rowId).subarray(0, TAG_BYTES);
  return validate(rowId) && timingSafeEqual(tag, bytes.subarray(UUID_BYTES)) ? rowId : null;
}
