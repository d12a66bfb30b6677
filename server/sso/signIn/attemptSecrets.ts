import { z } from 'zod';
import type { Random } from '../../context';
import { isRowId } from '../../db/ids';
import type { KeyRing } from '../../keyRing';

const SECRET_BYTES = 32;
const ID_BYTES = 16;

/** Returns 256 random bits as text: a state, a nonce or a PKCE verifier (RFC 7636 4.1). */
export const newSecret = (random: Random): string =>
  random.bytes(SECRET_BYTES).toString('base64url');

/**
 * Makes the value of a browser's cookie. It begins with the id of the tenant, which says where to
 * look for the attempt; only the rest is a secret.
 */
export const newCookie = (random: Random, tenantId: string): string =>
  Buffer.concat([
    Buffer.from(tenantId.replaceAll('-', ''), 'hex'),
    random.bytes(SECRET_BYTES),
  ]).toString('base64url');

/** Returns the tenant that a cookie names; undefined if this server did not make it. */
export function tenantOfCookie(cookie: string): string | undefined {
  const bytes = Buffer.from(cookie, 'base64url');
  if (bytes.length !== ID_BYTES + SECRET_BYTES) return undefined;
  if (bytes.toString('base64url') !== cookie) return undefined;
  const id = bytes
    .toString('hex', 0, ID_BYTES)
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return isRowId(id) ? id : undefined;
}

/** The values that the server needs again when the browser comes back. */
const attemptSecrets = z.strictObject({
  nonce: z.string(),
  verifier: z.string(),
  /** The client to which the browser was sent: another one must not get the code. */
  issuer: z.string(),
  clientId: z.string(),
});
export type AttemptSecrets = z.output<typeof attemptSecrets>;

interface AttemptIdentity {
  readonly tenantId: string;
  readonly id: string;
}

const boundTo = (what: 'secrets' | 'claims', { tenantId, id }: AttemptIdentity) =>
  `sso-attempt-${what}:${tenantId}:${id}`;

/** Seals the secrets of an attempt. Copied to another row, they cannot be opened. */
export const sealSecrets = (keys: KeyRing, row: AttemptIdentity, secrets: AttemptSecrets) =>
  keys.seal(Buffer.from(JSON.stringify(secrets)), boundTo('secrets', row));

/** @throws Error if it was sealed for another row, or under a key that this server does not have */
export const openSecrets = (keys: KeyRing, row: AttemptIdentity, sealed: Buffer): AttemptSecrets =>
  attemptSecrets.parse(JSON.parse(keys.open(sealed, boundTo('secrets', row)).toString()));

/** Seals the claims with which a browser came back. */
export const sealClaims = (keys: KeyRing, row: AttemptIdentity, claims: object) =>
  keys.seal(Buffer.from(JSON.stringify(claims)), boundTo('claims', row));

/** @throws Error as {@link openSecrets} does */
export const openClaims = (keys: KeyRing, row: AttemptIdentity, sealed: Buffer): unknown =>
  JSON.parse(keys.open(sealed, boundTo('claims', row)).toString());
