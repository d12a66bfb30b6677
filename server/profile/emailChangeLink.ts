import type { KeyRing } from '../keyRing';
import { readTaggedId, tagId } from '../taggedId';
import { DAY_MS } from '../durations';

const EMAIL_CHANGE = { purpose: 'email-change', prefix: 'emc_' } as const;

/** How long a change of address waits for its confirmation. */
export const CHANGE_VALID_MS = DAY_MS;

/** Builds the link that confirms a change of address: its id with a tag. No part of it is stored. */
export const toChangeLink = (keys: KeyRing, publicUrl: string, id: string): string =>
  `${publicUrl}/api/auth/email/${tagId(keys, EMAIL_CHANGE, id)}`;

/** Returns the id of the change, or null for a token that this server did not issue. */
export const fromChangeToken = (keys: KeyRing, token: string): string | null =>
  readTaggedId(keys, EMAIL_CHANGE, token);
