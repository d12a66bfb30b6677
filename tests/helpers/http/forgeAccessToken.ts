import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

type Json = Record<string, unknown>;

export interface TokenParts {
  header: Json;
  claims: Json;
}

const readPart = (part: string | undefined): Json =>
  JSON.parse(Buffer.from(part ?? '', 'base64url').toString('utf8')) as Json;

const writePart = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url');

/** Returns the content of a token, without checking its signature. */
export function readToken(token: string): TokenParts {
  const [header, claims] = token.split('.');
  return { header: readPart(header), claims: readPart(claims) };
}

/** Returns the part of a token that its signature covers. */
export const unsigned = ({ header, claims }: TokenParts): string =>
  `${writePart(header)}.${writePart(claims)}`;

/** Returns a token with any header and claims, correctly signed by this key. */
export function signWith(key: KeyObject, parts: TokenParts): string {
  const text = unsigned(parts);
  const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}

/** The key that the server signs with, which a forger does not have. */
export const serverKey = (): KeyObject => createPrivateKey(process.env['JWT_SIGNING_KEY'] ?? '');

/** The public part of it, which anybody can have, as text. */
export const serverPublicPem = (): string =>
  createPublicKey(serverKey()).export({ format: 'pem', type: 'spki' }).toString();

/** A key that the server does not know. */
export const strangersKey = (): KeyObject =>
  generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;

/**
 * Returns the parts of a token with some claims or header members changed; `undefined` removes one.
 */
export function change({ header, claims }: TokenParts, changes: Partial<TokenParts>): TokenParts {
  return { header: { ...header, ...changes.header }, claims: { ...claims, ...changes.claims } };
}
