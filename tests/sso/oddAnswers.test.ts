import request from 'supertest';
import { auditOf } from '@/tests/helpers/database/authRows';
import { as } from '@/tests/helpers/people/officer';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import type { Node } from '@/tests/helpers/server/openNode';
import {
  PUBLIC,
  comeBack,
  complete,
  cookiesOf,
  federate,
  openSsoNode,
  start,
} from '@/tests/helpers/sso/ssoBrowser';
import type { Federated, Sent } from '@/tests/helpers/sso/ssoBrowser';
import { signers, startForger } from '@/tests/helpers/sso/forger';
import { CLIENT } from '@/tests/helpers/sso/provider';

let forger: Awaited<ReturnType<typeof startForger>>;
let node: Node;
let home: Federated;
let member: SeededAuth;

beforeAll(async () => {
  forger = await startForger();
  node = openSsoNode([forger.place]);
  home = await federate(node.app, forger.origin);
  const email = `ada@${home.domain}`;
  member = await seedTestUserAndToken({ tenantId: home.officer.tenantId, email });
});

const sound = (origin: string, { url }: Sent) => {
  const now = Math.floor(Date.now() / 1000);
  const about = { iss: origin, sub: 'ada', aud: CLIENT.clientId, iat: now, exp: now + 300 };
  const nonce = url.searchParams.get('nonce');
  return { ...about, nonce, email: member.email, email_verified: true };
};

const backOf = ({ url }: Sent) => {
  const state = url.searchParams.get('state') ?? '';
  const { pathname } = new URL(url.searchParams.get('redirect_uri') ?? '');
  return `${pathname}?code=the-code&state=${state}`;
};

it.each([
  ['NUL', 'a\u0000b'],
  ['a lone surrogate', 'a\ud800b'],
])('a session id of the provider with %s stops nobody from signing in', async (_title, sid) => {
  const sent = await start(node.app, home.connectionId);
  forger.forge((origin) => ({ claims: { ...sound(origin, sent), sid } }));
  await comeBack(node.app, backOf(sent), sent.cookie);
  expect((await complete(node.app, sent.cookie)).status).toBe(200);
});

it.each([4_000, 100_000])('a try survives claims that are nested %d times', async (depth) => {
  const at = `/api/tenants/sso/${home.connectionId}`;
  const begun = await as(node.app, home.officer).post(`${at}/try`, {});
  const { authorizationUrl, attemptId } = begun.body as Record<string, string>;
  const sent = { url: new URL(authorizationUrl ?? ''), cookie: cookiesOf(begun)['sso'] ?? '' };
  const part = (text: string) => Buffer.from(text).toString('base64url');
  forger.forge((origin) => ({
    answer: (res) => {
      const nested = `${'['.repeat(depth)}${']'.repeat(depth)}`;
      const claims = JSON.stringify(sound(origin, sent)).replace('{', `{"more":${nested},`);
      const input = `${part(JSON.stringify({ alg: 'RS256', kid: 'k1' }))}.${part(claims)}`;
      const id_token = `${input}.${signers.own(input).toString('base64url')}`;
      forger.json(res, { access_token: 'a', token_type: 'Bearer', id_token });
    },
  }));
  const to = await comeBack(node.app, backOf(sent), sent.cookie);
  expect(to).toBe(`${PUBLIC}/?sso=done&kind=try`);
  const shown = await as(node.app, home.officer).get(`${at}/tries/${attemptId}`);
  expect([shown.status, shown.body.state]).toEqual([200, 'done']);
});

it('one sign-in that a stranger begins puts few events into the log of the tenant', async () => {
  const recorded = async () =>
    (await auditOf('SSO_SIGN_IN_FAILED', home.officer.tenantId)).map(
      ({ details }) => (details as { reason: string }).reason,
    );
  const before = await recorded();
  const sent = await start(node.app, home.connectionId);
  const cookies = ['', 'sso=other', '', sent.cookie, sent.cookie, sent.cookie, ''];
  forger.forge(() => ({ claims: {} }));
  for (const cookie of cookies) {
    const res = await request(node.app).get(backOf(sent)).set('cookie', cookie);
    expect(res.headers['location']).toBe(`${PUBLIC}/?sso=refused`);
  }
  const other = 'attempt_of_other_browser';
  expect((await recorded()).slice(before.length)).toEqual([other, other, other, 'token_malformed']);
});
