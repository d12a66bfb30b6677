import type { KeyRing } from '../../keyRing';
import { readTaggedId, tagId } from '../../taggedId';

const CHALLENGE = { purpose: 'challenge', prefix: 'chl_' } as const;

/** Returns the id of a challenge for the client; see {@link tagId}. */
export const toChallengeId = (keys: KeyRing, rowId: string): string =>
  tagId(keys, CHALLENGE, rowId);

/** @returns the row's id, or null for anything that this server did not issue */
export const fromChallengeId = (keys: KeyRing, challengeId: string): string | null =>
  readTaggedId(keys, CHALLENGE, challengeId);
