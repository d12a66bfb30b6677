import { z } from 'zod';
import { MINUTE_SEC, SECOND_MS } from '../../durations';
import type { SsoRefusal } from '../../audit';
import { storableText } from '../../http/routeTable';
import type { SignInClient } from './clientStore';

/** The clocks of a provider and of this server may differ by this. */
const CLOCKS_DIFFER_SEC = 10 * MINUTE_SEC;

/** How long after its expiry a token is still taken; the library allows the same. */
const LEEWAY_SEC = 30;

/** OpenID Connect Core 2: a subject has at most 255 ASCII characters. */
const SUBJECT = /^[\x20-\x7e]{1,255}$/;
const audience = z.union([z.string(), z.array(z.string()).min(1)]);
const seconds = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const words = z.array(z.string().max(100)).max(20);
/** A claim of another type, or that cannot be stored, counts as absent: nothing is made of it. */
const ifOf = <T>(type: z.ZodType<T>) => type.optional().catch(undefined);

const claims = z.object({
  iss: z.string(),
  sub: z.unknown().optional(),
  aud: audience,
  azp: z.string().optional(),
  exp: seconds,
  iat: seconds,
  nonce: z.string(),
  hd: z.unknown().optional(),
  email: ifOf(z.string().max(320)),
  email_verified: z.unknown().optional(),
  auth_time: ifOf(seconds),
  amr: ifOf(words),
  sid: ifOf(storableText(255)),
});

/** The claims of an ID token that this server keeps. */
export const providerClaims = z.strictObject({
  issuer: z.string(),
  subject: z.string(),
  email: z.string().nullable(),
  /** Only the JSON value `true` makes this true. */
  emailVerified: z.boolean(),
  amr: z.array(z.string()),
  authTime: z.number().nullable(),
  sid: z.string().nullable(),
});
export type ProviderClaims = z.output<typeof providerClaims>;

interface Expected {
  readonly client: Pick<SignInClient, 'issuer' | 'clientId' | 'alg' | 'requiredHostedDomain'>;
  readonly nonce: string;
  readonly now: Date;
}

/** The header of an ID token. One that ends sessions must not open one (OIDC Back-Channel Logout 2.4). */
const header = z.object({
  alg: z.string(),
  typ: z.string().optional(),
});

function judgeHeader(idToken: string, { alg }: Expected['client']): SsoRefusal | undefined {
  const text = Buffer.from(idToken.split('.', 1)[0] ?? '', 'base64url').toString();
  const read = header.safeParse(JSON.parse(text));
  if (!read.success) return 'token_malformed';
  if (read.data.alg !== alg) return 'token_algorithm';
  const { typ = 'JWT' } = read.data;
  return typ.toUpperCase() === 'JWT' ? undefined : 'token_type';
}

function judgeAudience(
  { aud, azp }: z.output<typeof claims>,
  clientId: string,
): SsoRefusal | undefined {
  const all = typeof aud === 'string' ? [aud] : aud;
  if (!all.includes(clientId)) return 'token_audience';
  // OpenID Connect Core 3.1.3.7, 4 and 5: with other audiences, the authorized party must be us.
  if (all.length > 1 && azp === undefined) return 'token_audience';
  return azp === undefined || azp === clientId ? undefined : 'token_audience';
}

function judge(read: z.output<typeof claims>, expected: Expected): SsoRefusal | undefined {
  const { client, nonce, now } = expected;
  const nowSec = now.getTime() / SECOND_MS;
  if (read.iss !== client.issuer) return 'token_issuer';
  const refusal = judgeAudience(read, client.clientId);
  if (refusal !== undefined) return refusal;
  if (read.nonce !== nonce) return 'token_nonce';
  if (Math.abs(nowSec - read.iat) > CLOCKS_DIFFER_SEC) return 'token_time';
  if (read.exp + LEEWAY_SEC <= nowSec) return 'token_time';
  if (typeof read.sub !== 'string' || !SUBJECT.test(read.sub)) return 'token_subject';
  const { requiredHostedDomain: hd } = client;
  return hd === null || read.hd === hd ? undefined : 'token_hosted_domain';
}

/**
 * Checks the parts of an ID token that the library does not check, and compares the rest once more.
 * The library has verified the signature.
 * @param idToken the token as it was sent
 * @param payload its claims
 * @returns what is kept of it, or the reason to refuse it
 */
export function readClaims(
  idToken: string,
  payload: unknown,
  expected: Expected,
): { claims: ProviderClaims } | { refusal: SsoRefusal } {
  const ofHeader = judgeHeader(idToken, expected.client);
  if (ofHeader !== undefined) return { refusal: ofHeader };
  const parsed = claims.safeParse(payload);
  if (!parsed.success) return { refusal: 'token_malformed' };
  const { data } = parsed;
  const refusal = judge(data, expected);
  if (refusal !== undefined) return { refusal };
  return {
    claims: {
      issuer: data.iss,
      subject: data.sub as string,
      email: data.email ?? null,
      emailVerified: data.email_verified === true,
      amr: data.amr ?? [],
      authTime: data.auth_time ?? null,
      sid: data.sid ?? null,
    },
  };
}
