import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { startWeb } from './provider';

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** How a token is signed: by the provider's key, by another one, by a shared secret, or not at all. */
export type Signer = (input: string) => Buffer;

/** The keys of a provider whose every answer a test decides. */
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
const bySha256 = (key: KeyObject) => (input: string) => sign('sha256', Buffer.from(input), key);
const publicPem = publicKey.export({ type: 'spki', format: 'pem' }).toString();

export const signers = {
  own: bySha256(privateKey),
  other: bySha256(other.privateKey),
  publicKeyAsSecret: (input: string) => createHmac('sha256', publicPem).update(input).digest(),
  none: () => Buffer.alloc(0),
} satisfies Record<string, Signer>;

/** The answer of the token endpoint. */
export interface Forged {
  header?: object;
  claims?: object;
  signer?: Signer;
  /** Takes the place of the whole answer. */
  answer?: (res: ServerResponse, asked: { authorization: string; body: string }) => void;
}

async function read(req: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const each of req) parts.push(each as Buffer);
  return Buffer.concat(parts).toString();
}

const json = (res: ServerResponse, body: unknown, status = 200) =>
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

/** Starts a provider that answers as `forge` says. Its algorithm is RS256, its key id `k1`. */
export async function startForger(more: object = {}) {
  let next: (origin: string) => Forged = () => ({});
  const asked: { authorization: string; body: string }[] = [];
  const web = await startWeb((origin) => async (req, res) => {
    if (req.url === '/.well-known/openid-configuration') {
      return json(res, {
        issuer: origin,
        authorization_endpoint: `${origin}/authorize`,
        token_endpoint: `${origin}/token`,
        jwks_uri: `${origin}/jwks`,
        response_types_supported: ['code'],
        id_token_signing_alg_values_supported: ['RS256'],
        ...more,
      });
    }
    if (req.url === '/jwks') {
      const jwk = publicKey.export({ format: 'jwk' });
      return json(res, { keys: [{ ...jwk, kid: 'k1', alg: 'RS256', use: 'sig' }] });
    }
    const { authorization = '' } = req.headers;
    const question = { authorization, body: await read(req) };
    asked.push(question);
    const { header, claims, signer = signers.own, answer } = next(origin);
    if (answer) return answer(res, question);
    const input = `${part({ alg: 'RS256', kid: 'k1', ...header })}.${part(claims)}`;
    const id_token = `${input}.${signer(input).toString('base64url')}`;
    return json(res, { access_token: 'a', token_type: 'Bearer', id_token });
  });
  return {
    ...web,
    asked,
    /** Decides the next answers of the token endpoint. */
    forge: (forged: (origin: string) => Forged) => void (next = forged),
    json,
  };
}
