import { createPublicKey, verify } from 'node:crypto';
import type { JsonWebKey, KeyObject } from 'node:crypto';
import { BoundedMap } from './boundedMap';
import type { Gatehouse } from './gatehouseCalls';

/** The claims of an access token that the guard uses. */
export interface Claims {
  sub: string;
  tid: string;
  sid: string;
  sv: number;
  /** Seconds since 1970. */
  exp: number;
  /** The id of the key that signed the token. */
  keyId: string;
}

export interface Signatures {
  /** Returns the claims of a token that was checked before and has not ended. */
  readAgain(token: string): Claims | undefined;
  /**
   * Checks form, signature, issuer, audience and expiry. Whether the session lives is another question.
   * @returns undefined if this is no valid access token of Gatehouse
   * @throws Unavailable if the public keys could not be read
   */
  read(token: string): Promise<Claims | undefined>;
}

interface SignatureOptions {
  gatehouse: Pick<Gatehouse, 'readKeys' | 'now'>;
  issuer: string;
  audience: string;
  /** Returns whether Gatehouse has listed a key among those that it accepts. */
  isListed: (keyId: string) => boolean | undefined;
  maxKept: number;
}

/** Clocks differ. Gatehouse accepts the same, and decides about the session by its own clock. */
const LEEWAY_SEC = 30;
const KEYS_MAX_AGE_MS = 5 * 60_000;
/** A flood of tokens with made-up key ids asks for the keys at most this often. */
const KEYS_COOL_DOWN_MS = 5000;
/** A key that Gatehouse has listed is not made up, but the node that answered may not have it yet. */
const LISTED_COOL_DOWN_MS = 250;
const MOST_LENGTH = 4096;

type Json = Record<string, unknown>;

function decodePart(part: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Json) : undefined;
  } catch {
    return undefined;
  }
}

/** Reads the keys that may sign access tokens: EC keys of P-256 with an id. */
function importKeys(body: unknown): Map<string, KeyObject> {
  const { keys } = (body ?? {}) as { keys?: unknown };
  const found = new Map<string, KeyObject>();
  for (const key of Array.isArray(keys) ? (keys as Json[]) : []) {
    const { kid, kty, crv, x, y } = key;
    if (typeof kid !== 'string' || kty !== 'EC' || crv !== 'P-256') continue;
    found.set(kid, createPublicKey({ key: { kty, crv, x, y } as JsonWebKey, format: 'jwk' }));
  }
  return found;
}

/** Keeps the public keys, and reads them again when they are old or a token names another one. */
function createKeySet({ gatehouse, isListed }: SignatureOptions, onChange: () => void) {
  let keys: Map<string, KeyObject> | undefined;
  let readAt = -Infinity;
  let triedAt = -Infinity;
  let reading: Promise<void> | undefined;

  async function read(): Promise<void> {
    triedAt = performance.now();
    const found = importKeys(await gatehouse.readKeys());
    const same = keys?.size === found.size && [...found.keys()].every((kid) => keys?.has(kid));
    if (!same) onChange();
    keys = found;
    readAt = triedAt;
  }
  const readOnce = () => (reading ??= read().finally(() => (reading = undefined)));

  return {
    async get(kid: string): Promise<KeyObject | undefined> {
      const now = performance.now();
      const due = now - readAt > KEYS_MAX_AGE_MS || !keys?.has(kid);
      const coolDownMs = isListed(kid) === true ? LISTED_COOL_DOWN_MS : KEYS_COOL_DOWN_MS;
      if (due && (reading || keys === undefined || now - triedAt > coolDownMs)) {
        // Old keys stay in use if new ones cannot be read: Gatehouse is asked about each session anyway.
        await readOnce().catch((error: unknown) => {
          if (keys === undefined) throw error;
        });
      }
      return keys?.get(kid);
    },
  };
}

/** RFC 8725 3.1 and 3.11: type, algorithm and key are fixed here, and nothing in the token chooses them. */
const keyIdOf = ({ typ, alg, kid, crit }: Json): string | undefined =>
  typ === 'at+jwt' && alg === 'ES256' && typeof kid === 'string' && crit === undefined
    ? kid
    : undefined;

function toClaims(
  payload: Json,
  keyId: string,
  { issuer, audience }: SignatureOptions,
): Claims | undefined {
  const { iss, aud, sub, tid, sid, sv, exp } = payload;
  const named = [sub, tid, sid].every((id) => typeof id === 'string');
  if (iss !== issuer || aud !== audience || !named) return undefined;
  if (!Number.isInteger(sv) || !Number.isInteger(exp)) return undefined;
  return { sub, tid, sid, sv, exp, keyId } as Claims;
}

export function createSignatures(options: SignatureOptions): Signatures {
  // By the token itself: hashing it would take as long as the rest of a decision. It lives for minutes.
  const verified = new BoundedMap<Claims>(options.maxKept);
  const keys = createKeySet(options, () => verified.clear());

  async function verifyToken(token: string): Promise<Claims | undefined> {
    const [head = '', payload = '', signature = '', ...rest] = token.split('.');
    const header = decodePart(head);
    const bytes = Buffer.from(signature, 'base64url');
    const keyId = header && keyIdOf(header);
    if (keyId === undefined || rest.length > 0 || bytes.length !== 64) return undefined;
    const key = await keys.get(keyId);
    if (!key) return undefined;
    const signed = Buffer.from(`${head}.${payload}`);
    if (!verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, bytes)) return undefined;
    const claims = decodePart(payload);
    return claims && toClaims(claims, keyId, options);
  }

  const hasEnded = ({ exp }: Claims) => exp + LEEWAY_SEC <= options.gatehouse.now() / 1000;
  function readAgain(token: string): Claims | undefined {
    const claims = verified.get(token);
    return claims && !hasEnded(claims) ? claims : undefined;
  }
  return {
    readAgain,
    async read(token) {
      if (token.length > MOST_LENGTH) return undefined;
      const known = readAgain(token);
      if (known) return known;
      const claims = await verifyToken(token);
      if (!claims || hasEnded(claims)) return undefined;
      verified.set(token, claims);
      return claims;
    },
  };
}
