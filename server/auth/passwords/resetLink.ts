import { MINUTE_MS } from '../../durations';
import type { KeyRing } from '../../keyRing';
import { readTaggedId, tagId } from '../../taggedId';

const RESET = { purpose: 'password-reset', prefix: 'pwr_' } as const;

/** How long a link works. */
export const RESET_MINUTES = 20;
export const RESET_MS = RESET_MINUTES * MINUTE_MS;

/** Builds the link with which a person chooses a new password. No part of it is stored. */
export const toResetLink = (keys: KeyRing, publicUrl: string, id: string): string =>
  `${publicUrl}/api/auth/password/reset/${tagId(keys, RESET, id)}`;

/** Returns the id of the link's row, or null for a token that this server did not issue. */
export const readResetToken = (keys: KeyRing, token: string): string | null =>
  readTaggedId(keys, RESET, token);
