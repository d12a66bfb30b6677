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

/** What a token says, whoever signed it. */
export function readToken(token: string): TokenParts {
  const [header, claims] = token.split('.');
  return { header: readPart(header), claims: readPart(claims) };
}

/** The part of a token that its signature covers. */
export const unsigned = ({ header, claims }: TokenParts): string =>
  `${writePart(header)}.${writePart(claims)}`;

/** A token with whatever header and claims, well signed by this key. */
export function signWith(key: KeyObject, parts: TokenParts): string {
  const text = unsigned(parts);
  const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}

/** The key that the server signs with: what a forger does not have. */
export const serverKey = (): KeyObject => createPrivateKey(process.env['JWT_SIGNING_KEY'] ?? '');

/** What anybody can have of it, as text. */
export const serverPublicPem = (): string =>
  createPublicKey(serverKey()).export({ format: 'pem', type: 'spki' }).toString();

/** A key that the server never heard of. */
export const strangersKey = (): KeyObject =>
  generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;

/** Some of a token's claims or header members changed; `undefined` leaves one out. */
export function change({ header, claims }: TokenParts, changes: Partial<TokenParts>): TokenParts {
  return { header: { ...header, ...changes.header }, claims: { ...claims, ...changes.claims } };
}
