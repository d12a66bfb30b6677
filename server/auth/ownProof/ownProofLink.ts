import { MINUTE_MS } from '../../durations';
import type { KeyRing } from '../../keyRing';
import { readTaggedId, tagId } from '../../taggedId';

const OWN_PROOF = { purpose: 'own-proof', prefix: 'opl_' } as const;

/** How long a link works. */
export const OWN_PROOF_MINUTES = 15;
export const OWN_PROOF_MS = OWN_PROOF_MINUTES * MINUTE_MS;

/**
 * Builds the link with which a person proves their mailbox. The tag in it cannot be made from what
 * is stored: it needs the server's key.
 */
export const toOwnProofLink = (keys: KeyRing, publicUrl: string, id: string): string =>
  `${publicUrl}/api/auth/own-proof/${tagId(keys, OWN_PROOF, id)}`;

/** Returns the id of the link, or null for a token that this server did not issue. */
export const readOwnProofToken = (keys: KeyRing, token: string): string | null =>
  readTaggedId(keys, OWN_PROOF, token);
