import type { KeyRing } from '../keyRing';
import { readTaggedId, tagId } from '../taggedId';

const CHALLENGE = { purpose: 'challenge', prefix: 'chl_' } as const;

/** The id of a challenge that a client holds; see {@link tagId}. */
export const toChallengeId = (keys: KeyRing, rowId: string): string =>
  tagId(keys, CHALLENGE, rowId);

/** @returns the row's id, or null for anything that this server did not hand out */
export const fromChallengeId = (keys: KeyRing, challengeId: string): string | null =>
  readTaggedId(keys, CHALLENGE, challengeId);
