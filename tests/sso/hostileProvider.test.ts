import { auditOf } from '@/tests/helpers/database/authRows';
import { as } from '@/tests/helpers/people/officer';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import type { Node } from '@/tests/helpers/server/openNode';
import {
  PUBLIC,
  comeBack,
  complete,
  federate,
  openSsoNode,
  start,
} from '@/tests/helpers/sso/ssoBrowser';
import type { Federated, Sent } from '@/tests/helpers/sso/ssoBrowser';
import { signers, startForger } from '@/tests/helpers/sso/forger';
import type { Forged } from '@/tests/helpers/sso/forger';
import { CLIENT } from '@/tests/helpers/sso/provider';

type Forger = Awaited<ReturnType<typeof startForger>>;
let forger: Forger;
let second: Forger;
let withIss: Forger;
let node: Node;
let home: Federated;
let member: SeededAuth;

beforeAll(async () => {
  forger = await startForger();
  second = await startForger();
  withIss = await startForger({ authorization_response_iss_parameter_supported: true });
  node = openSsoNode([forger.place, second.place, withIss.place]);
  home = await federate(node.app, forger.origin);
  const email = `ada@${home.domain}`;
  member = await seedTestUserAndToken({ tenantId: home.officer.tenantId, email });
});

const DONE = `${PUBLIC}/?sso=done`;
const REFUSED = `${PUBLIC}/?sso=refused`;
const nowSec = () => Math.floor(Date.now() / 1000);

/** Sound claims for an attempt. */
const sound = (origin: string, { url }: Sent) => ({
  iss: origin,
  sub: 'ada',
  aud: CLIENT.clientId,
  iat: nowSec(),
  exp: nowSec() + 300,
  nonce: url.searchParams.get('nonce'),
  email: member.email,
  email_verified: true,
});

const backOf = ({ url }: Sent, more: Record<string, string> = {}) => {
  const state = url.searchParams.get('state') ?? '';
  const query = new URLSearchParams({ code: 'the-code', state, ...more });
  return `${new URL(url.searchParams.get('redirect_uri') ?? '').pathname}?${query.toString()}`;
};

/** Comes back with a forged token. */
async function comeBackWith(forged: (origin: string, sent: Sent) => Forged): Promise<string> {
  const sent = await start(node.app, home.connectionId);
  forger.forge((origin) => forged(origin, sent));
  const to = await comeBack(node.app, backOf(sent), sent.cookie);
  if (to === REFUSED) {
    expect((await complete(node.app, sent.cookie)).body.error).toBe('SSO_REFUSED');
  }
  return to;
}

const lastReason = async (tenantId = home.officer.tenantId) =>
  ((await auditOf('SSO_SIGN_IN_FAILED', tenantId)).at(-1)?.details as { reason?: string }).reason;

/** Claims or headers that differ from sound ones. */
const cases: [string, (origin: string, sent: Sent) => Forged, string][] = [
  ['of another nonce', () => ({ claims: { nonce: 'other' } }), 'token_nonce'],
  ['without a nonce', () => ({ claims: { nonce: undefined } }), 'token_malformed'],
  ['of another issuer', () => ({ claims: { iss: 'https://evil.example' } }), 'token_issuer'],
  ['with a slash after the issuer', (o) => ({ claims: { iss: `${o}/` } }), 'token_issuer'],
  ['for another audience', () => ({ claims: { aud: 'other' } }), 'token_audience'],
  [
    'for several audiences without azp',
    () => ({ claims: { aud: [CLIENT.clientId, 'other'] } }),
    'token_audience',
  ],
  ['of another authorized party', () => ({ claims: { azp: 'other' } }), 'token_audience'],
  ['that has expired', () => ({ claims: { exp: nowSec() - 60 } }), 'token_time'],
  ['from the future', () => ({ claims: { iat: nowSec() + 700 } }), 'token_time'],
  ['of long ago', () => ({ claims: { iat: nowSec() - 700 } }), 'token_time'],
  ['without an expiry', () => ({ claims: { exp: undefined } }), 'token_malformed'],
  ['with a text as expiry', () => ({ claims: { exp: '9999999999' } }), 'token_malformed'],
  [
    'without an algorithm',
    () => ({ header: { alg: 'none' }, signer: signers.none }),
    'token_algorithm',
  ],
  [
    'with "nOnE" as algorithm',
    () => ({ header: { alg: 'nOnE' }, signer: signers.none }),
    'token_algorithm',
  ],
  [
    'signed by HMAC with the public key',
    () => ({ header: { alg: 'HS256' }, signer: signers.publicKeyAsSecret }),
    'token_algorithm',
  ],
  ['of another algorithm', () => ({ header: { alg: 'PS256' } }), 'token_algorithm'],
  ['of another key', () => ({ signer: signers.other }), 'token_signature'],
  ['without a signature', () => ({ signer: signers.none }), 'token_signature'],
  ['of an unknown key id', () => ({ header: { kid: 'k2' } }), 'token_key'],
  ['of a key id with a path', () => ({ header: { kid: '../../etc/passwd' } }), 'token_key'],
  [
    'that names its own keys',
    () => ({ header: { jku: 'https://evil.example' }, signer: signers.other }),
    'token_signature',
  ],
  ['that ends sessions', () => ({ header: { typ: 'logout+jwt' } }), 'token_type'],
  [
    'of a subject with 256 characters',
    () => ({ claims: { sub: 'x'.repeat(256) } }),
    'token_subject',
  ],
  ['of an empty subject', () => ({ claims: { sub: '' } }), 'token_subject'],
  ['of a number as subject', () => ({ claims: { sub: 7 } }), 'token_malformed'],
  ['of a subject beyond ASCII', () => ({ claims: { sub: 'adä' } }), 'token_subject'],
  ['of a subject with NUL', () => ({ claims: { sub: 'a\0' } }), 'token_subject'],
];

describe('an ID token', () => {
  it.each(cases)('%s is refused', async (_title, forged, reason) => {
    const to = await comeBackWith((origin, sent) => {
      const { header = {}, claims = {}, ...rest } = forged(origin, sent);
      return { header, claims: { ...sound(origin, sent), ...claims }, ...rest };
    });
    expect(to).toBe(REFUSED);
    expect(await lastReason()).toBe(reason);
  });

  it('is taken if all of it is right, also for several audiences with our azp', async () => {
    const aud = [CLIENT.clientId, 'other'];
    const to = await comeBackWith((origin, sent) => ({
      claims: { ...sound(origin, sent), aud, azp: CLIENT.clientId },
    }));
    expect(to).toBe(DONE);
  });
});

describe('a token endpoint', () => {
  const answers: [string, Forged['answer'], string][] = [
    ['that is too large', (res) => void res.end('x'.repeat(2_000_000)), 'provider_unreachable'],
    [
      'that redirects',
      (res) => void res.writeHead(302, { location: 'http://169.254.169.254/' }).end(),
      'provider_unreachable',
    ],
    ['that is no JSON', (res) => void res.end('<html>'), 'provider_failed'],
    ['that fails', (res) => void res.writeHead(500).end(), 'provider_failed'],
    [
      'that refuses the code',
      (res) => void forger.json(res, { error: 'invalid_grant' }, 400),
      'code_refused',
    ],
    [
      'without an ID token',
      (res) => void forger.json(res, { access_token: 'a', token_type: 'Bearer' }),
      'token_missing',
    ],
    [
      'whose ID token is no token',
      (res) => void forger.json(res, { access_token: 'a', token_type: 'Bearer', id_token: 'a.b' }),
      'token_malformed',
    ],
  ];
  it.each(answers)(
    '%s refuses the sign-in, with one outward result',
    async (_t, answer, reason) => {
      expect(await comeBackWith(() => (answer ? { answer } : {}))).toBe(REFUSED);
      expect(await lastReason()).toBe(reason);
    },
  );

  it('that is silent is given up after seconds', async () => {
    expect(await comeBackWith(() => ({ answer: () => undefined }))).toBe(REFUSED);
    expect(await lastReason()).toBe('provider_unreachable');
  }, 20_000);

  it('that refuses the new secret is asked once more with the one before, in its overlap', async () => {
    const own = await federate(node.app, second.origin);
    const at = `/api/tenants/sso/${own.connectionId}/secret`;
    const next = { clientSecret: 'second-secret', overlapSec: 600 };
    expect((await as(node.app, own.officer).post(at, next)).status).toBe(200);
    const sent = await start(node.app, own.connectionId);
    const secretOf = ({ authorization = '' }: { authorization?: string } = {}) =>
      decodeURIComponent(Buffer.from(authorization.slice(6), 'base64').toString()).split(':')[1];
    second.asked.length = 0;
    second.forge((origin) => {
      if (secretOf(second.asked.at(-1)) === CLIENT.clientSecret) {
        return { claims: { ...sound(origin, sent), email: `x@${own.domain}` } };
      }
      return { answer: (res) => void second.json(res, { error: 'invalid_client' }, 401) };
    });
    expect(await comeBack(node.app, backOf(sent), sent.cookie)).toBe(DONE);
    expect(second.asked.map(secretOf)).toEqual(['second-secret', CLIENT.clientSecret]);
    await as(node.app, own.officer).post(at, { clientSecret: 'third', overlapSec: 0 });
    const again = await start(node.app, own.connectionId);
    expect(await comeBack(node.app, backOf(again), again.cookie)).toBe(REFUSED);
    expect(await lastReason(own.officer.tenantId)).toBe('secret_refused');
    expect(second.asked).toHaveLength(3);
  });
});

describe('an answer through the browser', () => {
  it('that is an error of the provider is refused', async () => {
    const sent = await start(node.app, home.connectionId);
    const error = backOf(sent, { error: 'access_denied', error_description: '<script>' });
    expect(await comeBack(node.app, error, sent.cookie)).toBe(REFUSED);
    expect(await lastReason()).toBe('provider_refused');
  });

  it.each<[string, Record<string, string>, string]>([
    ['of another issuer', { iss: 'https://evil.example' }, 'answer_of_other_provider'],
    ['without the promised issuer', {}, 'answer_of_other_provider'],
  ])('%s sends the code to nobody', async (_title, more, reason) => {
    const own = await federate(node.app, withIss.origin);
    const sent = await start(node.app, own.connectionId);
    withIss.asked.length = 0;
    expect(await comeBack(node.app, backOf(sent, more), sent.cookie)).toBe(REFUSED);
    expect(await lastReason(own.officer.tenantId)).toBe(reason);
    expect(withIss.asked).toEqual([]);
  });

  it('with the promised issuer is taken', async () => {
    const own = await federate(node.app, withIss.origin);
    const sent = await start(node.app, own.connectionId);
    withIss.forge((origin) => ({ claims: sound(origin, sent) }));
    const back = backOf(sent, { iss: withIss.origin });
    expect(await comeBack(node.app, back, sent.cookie)).toBe(DONE);
  });

  it('that mixes up two providers of one tenant sends the code of one to none', async () => {
    const sent = await start(node.app, home.connectionId);
    const res = await as(node.app, home.officer).post('/api/tenants/sso', {
      ...{ name: 'Second', issuer: second.origin, ...CLIENT },
    });
    second.asked.length = 0;
    forger.asked.length = 0;
    const mixed = backOf(sent).replace(home.connectionId, res.body.id);
    expect(await comeBack(node.app, mixed, sent.cookie)).toBe(REFUSED);
    expect([second.asked, forger.asked]).toEqual([[], []]);
  });

  it('to a connection that has another issuer by now is refused, and no code is sent', async () => {
    const own = await federate(node.app, forger.origin);
    const sent = await start(node.app, own.connectionId);
    const moved = { issuer: second.origin, clientSecret: 'its-own-secret' };
    const at = `/api/tenants/sso/${own.connectionId}`;
    expect((await as(node.app, own.officer).put(at, moved)).status).toBe(200);
    second.asked.length = 0;
    expect(await comeBack(node.app, backOf(sent), sent.cookie)).toBe(REFUSED);
    expect(await lastReason(own.officer.tenantId)).toBe('connection_changed');
    expect(second.asked).toEqual([]);
  });

  it.each([
    ['twice the same state', (path: string) => `${path}&state=x`],
    ['no state', (path: string) => path.replace(/state=[^&]*/, '')],
    [
      'a state of 10 kB',
      (path: string) => path.replace(/state=[^&]*/, `state=${'x'.repeat(9000)}`),
    ],
    ['an array as state', (path: string) => path.replace('state=', 'state[]=')],
    ['NUL in the state', (path: string) => path.replace(/state=[^&]*/, 'state=%00%ff')],
  ])('with %s is refused, and nothing is recorded', async (_title, change) => {
    const sent = await start(node.app, home.connectionId);
    const recorded = (await auditOf('SSO_SIGN_IN_FAILED', home.officer.tenantId)).length;
    expect(await comeBack(node.app, change(backOf(sent)), sent.cookie)).toBe(REFUSED);
    expect(await auditOf('SSO_SIGN_IN_FAILED', home.officer.tenantId)).toHaveLength(recorded);
  });

  it('with two codes is refused', async () => {
    const sent = await start(node.app, home.connectionId);
    expect(await comeBack(node.app, `${backOf(sent)}&code=other`, sent.cookie)).toBe(REFUSED);
    expect(await lastReason()).toBe('answer_malformed');
  });
});
