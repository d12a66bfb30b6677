import { randomUUID } from 'node:crypto';
import request from 'supertest';
import { routeTable } from '@/server/createApp';
import type { Route } from '@/server/http/routeTable';
import { me } from '@/tests/helpers/http/authCalls';
import { changePassword } from '@/tests/helpers/http/passwordCalls';
import { provePassword, signInByProvider } from '@/tests/helpers/people/provenMember';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { openNode } from '@/tests/helpers/server/openNode';

const { app, deps } = openNode();
const table = routeTable(deps);
const nameOf = ({ method, path }: Route) => `${method} ${path}`;

/** They read or change what the person has in every tenant: they need the person's own proof. */
const OF_THE_PERSON = [
  'put /api/auth/me',
  'post /api/auth/me/data',
  'post /api/auth/email',
  'post /api/invitations/:token/accept',
  // The consent to a link is the person's, and not their provider's.
  'post /api/auth/me/identities/start',
  'post /api/auth/me/identities/complete',
];
/** They concern the person, and the request itself shows the current password. */
const WITH_THE_PASSWORD = ['post /api/auth/password', 'post /api/auth/me/own-proof'];
/** They concern this membership and its tenant alone, or the session of the request. */
const OF_THE_MEMBERSHIP = [
  'get /api/auth/me',
  'get /api/auth/sessions',
  'delete /api/auth/sessions/:id',
  'post /api/auth/logout',
  'post /api/auth/logout-all',
  'post /api/auth/me/own-proof/link',
  'get /api/auth/me/events',
  'get /api/auth/me/identities',
  'delete /api/auth/me/identities/:id',
  'post /api/security/step-up/start',
  'post /api/security/step-up/verify',
  'post /api/security/totp/enroll',
  'post /api/security/totp/confirm',
  'post /api/security/passkeys/register/start',
  'post /api/security/passkeys/register/finish',
  'get /api/security/factors',
  'delete /api/security/factors/:id',
  'post /api/security/recovery-codes',
  'post /api/security/impersonation/stop',
  'get /api/auth/me/impersonation-consent',
  'put /api/auth/me/impersonation-consent',
  'delete /api/auth/me/impersonation-consent',
  'get /api/tenants/current',
  'get /api/forward-auth',
  'get /api/forward-auth/envoy',
];

/** Routes for a person without a permission of the tenant: they are about the caller. */
const aboutTheCaller = table.filter(
  ({ guards }) =>
    guards.some(({ bearer, keys }) => bearer !== undefined && keys !== 'service') &&
    !guards.some(({ permission }) => permission !== undefined),
);

describe('the routes about the caller', () => {
  it('are each about the person in all tenants, or about the membership', () => {
    const classified = [...OF_THE_PERSON, ...WITH_THE_PASSWORD, ...OF_THE_MEMBERSHIP];
    expect(aboutTheCaller.map(nameOf).sort()).toEqual(classified.sort());
  });

  it('ask for the proof of the person in their row if they are about the person, and no others do', () => {
    const guarded = table.filter(({ guards }) => guards.some(({ ownProof }) => ownProof));
    expect(guarded.map(nameOf).sort()).toEqual([...OF_THE_PERSON].sort());
  });

  it('that need a permission are about its tenant: none is in the lists', () => {
    const withPermission = table.filter(({ guards }) =>
      guards.some(({ permission }) => permission),
    );
    const listed = new Set([...OF_THE_PERSON, ...WITH_THE_PASSWORD, ...OF_THE_MEMBERSHIP]);
    expect(withPermission.map(nameOf).filter((name) => listed.has(name))).toEqual([]);
  });
});

const send = (name: string, token: string) => {
  const [method, path = ''] = name.split(' ') as ['put' | 'post', string];
  return request(app)
    [method](path.replace(':token', randomUUID()))
    .set({ authorization: `Bearer ${token}`, 'x-stepup-test-bypass': '1' })
    .send({ name: 'Ann', email: 'x@elsewhere.example', currentPassword: 'a long enough password' });
};

describe.each(OF_THE_PERSON)('%s', (name) => {
  it('is refused in a session of a provider, until the person proves themselves in it', async () => {
    const member = await seedTestUserAndToken();
    const { accessToken } = await signInByProvider(deps, member);
    const refused = await send(name, accessToken);
    expect(refused.status).toBe(403);
    expect(refused.body).toMatchObject({
      error: 'OWN_PROOF_REQUIRED',
      detail: expect.stringContaining('/api/auth/me/own-proof'),
    });
    expect((await provePassword(app, accessToken, member.password)).status).toBe(204);
    expect((await send(name, accessToken)).body).not.toMatchObject({ error: 'OWN_PROOF_REQUIRED' });
  });

  it('is open in a session of the password, also in one of an earlier release', async () => {
    const { accessToken } = await seedTestUserAndToken();
    expect((await send(name, accessToken)).body).not.toMatchObject({ error: 'OWN_PROOF_REQUIRED' });
  });
});

describe('in a session of a provider', () => {
  it('the password is changed by the one who shows the current one, and by nobody else', async () => {
    const member = await seedTestUserAndToken();
    const { accessToken } = await signInByProvider(deps, member);
    const guess = { accessToken, password: 'a wrong enough password' };
    const wrong = await changePassword(app, guess);
    expect(wrong.body).toMatchObject({ error: 'WRONG_PASSWORD' });
    const right = await changePassword(app, { accessToken, password: member.password });
    expect(right.status).toBe(200);
  });

  it('a request without a session may accept an invitation as before', async () => {
    const answer = await request(app).post(`/api/invitations/${randomUUID()}/accept`).send({});
    expect(answer.body).toMatchObject({ error: 'NOT_FOUND' });
  });

  it('the member and the own tenant are shown, and nothing of another tenant', async () => {
    const member = await seedTestUserAndToken();
    const { accessToken } = await signInByProvider(deps, member);
    const shown = await me(app, accessToken);
    expect(shown.body).toMatchObject({ email: member.email, tenant: { id: member.tenantId } });
  });
});
