import { sql } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { removeStaff } from '@/server/tenants';
import { auditOf, setUserStatus } from '@/tests/helpers/database/authRows';
import { login } from '@/tests/helpers/http/authCalls';
import { expectForcedOut } from '@/tests/helpers/http/authOutcomes';
import { openMailNode } from '@/tests/helpers/mail/mailNode';
import { startMailServer } from '@/tests/helpers/mail/mailServer';
import type { MailServer } from '@/tests/helpers/mail/mailServer';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import {
  GOOD_PASSWORD,
  INVITATIONS,
  accept,
  inviteByLink,
  membershipsOf,
  newAddress,
  tokenOf,
} from '@/tests/helpers/people/invitationCalls';
import { as } from '@/tests/helpers/people/officer';
import { seedPasswordless, storedPasswordOf } from '@/tests/helpers/people/passwordless';
import { HOME } from '@/tests/helpers/people/traveller';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { giveFactor } from '@/tests/helpers/stepUp/secondFactor';

let server: MailServer;
let node: ReturnType<typeof openMailNode>;
let other: ReturnType<typeof openMailNode>;
beforeAll(async () => {
  server = await startMailServer();
  [node, other] = [openMailNode(server), openMailNode(server)];
});

/** Invites by mail, and returns the token of the link that arrives. */
async function inviteByMail(email: string) {
  const administrator = await seedAdministrator();
  const body = { email, roles: ['member'], delivery: 'mail' };
  expect((await as(node.app, administrator).post(INVITATIONS, body)).status).toBe(201);
  const link = /https:\/\/id\.example\/invitation\/inv_[\w-]{43}(?=\n)/;
  const [found = ''] = link.exec((await server.mailTo(email)).text) ?? [];
  return { administrator, token: tokenOf(found) };
}

const refusalOf = (res: { status: number; body: { error?: string } }) => [
  res.status,
  res.body.error,
];

describe('a person without a password who is invited to another tenant', () => {
  it('chooses their first password with the mailed link, joins, and signs in with it in both tenants', async () => {
    const known = await seedPasswordless({ email: newAddress() });
    const { administrator, token } = await inviteByMail(known.email);
    const weak = await accept(node.app, token, { password: 'short' });
    expect(refusalOf(weak)).toEqual([400, 'PASSWORD_REFUSED']);
    const res = await accept(node.app, token, { password: GOOD_PASSWORD, name: 'Another Name' });
    expect(res.status).toBe(200);
    const all = await membershipsOf(known.email);
    const tenants = [known.tenantId, administrator.tenantId];
    expect(all.map(({ tenantId }) => tenantId).sort()).toEqual(tenants.sort());
    for (const { name } of all) expect(name).toBeNull();
    await expectForcedOut(other.app, known, 'security_event');
    for (const tenant of [known.tenantSlug, administrator.tenantSlug]) {
      const attempt = { email: known.email, password: GOOD_PASSWORD, tenant };
      expect((await login(node.app, attempt, HOME)).status).toBe(200);
    }
    const accepted = await auditOf('INVITATION_ACCEPTED', administrator.tenantId);
    expect(accepted).toMatchObject([{ details: { by: 'first_password' } }]);
  });

  it('is not asked for a sign-in, so no failed one is counted or recorded', async () => {
    const known = await seedPasswordless({ email: newAddress() });
    const { administrator, token } = await inviteByMail(known.email);
    expect((await accept(node.app, token, { password: GOOD_PASSWORD })).status).toBe(200);
    for (const tenantId of [known.tenantId, administrator.tenantId]) {
      expect(await auditOf('AUTH_LOGIN_FAILED', tenantId)).toEqual([]);
    }
  });

  it('has it in the log of their other tenant, which does not learn of the invitation, and in a notice', async () => {
    const known = await seedPasswordless({ email: newAddress() });
    const { administrator, token } = await inviteByMail(known.email);
    await accept(node.app, token, { password: GOOD_PASSWORD });
    const [changed, another] = await auditOf('PASSWORD_CHANGED', known.tenantId);
    expect(another).toBeUndefined();
    expect(changed).toMatchObject({
      ...{ actor: 'anonymous', subject: `staff:${known.staffId}` },
      details: { with: 'reset_link', first: true },
    });
    expect(JSON.stringify(changed)).not.toContain(administrator.tenantId);
    await node.deps.mail.settle();
    const { rows } = await db.execute(
      sql`SELECT kind FROM mails WHERE tenant_id = ${known.tenantId}`,
    );
    expect(rows).toEqual([{ kind: 'password_reset' }]);
  });

  it('still shows the second factor of their other tenant at the next sign-in there', async () => {
    const known = await seedPasswordless({ email: newAddress() });
    await giveFactor(known);
    const { administrator, token } = await inviteByMail(known.email);
    await accept(node.app, token, { password: GOOD_PASSWORD });
    const statusIn = async (tenant: string) =>
      (await login(node.app, { email: known.email, password: GOOD_PASSWORD, tenant }, HOME)).status;
    expect(await statusIn(known.tenantSlug)).toBe(428);
    expect(await statusIn(administrator.tenantSlug)).toBe(200);
  });

  it('sets none with a link that was handed over and without the mailed code', async () => {
    const known = await seedPasswordless({ email: newAddress() });
    const { token } = await inviteByLink(node.app, await seedAdministrator(), {
      email: known.email,
    });
    for (const code of [undefined, '000000']) {
      const res = await accept(node.app, token, { password: GOOD_PASSWORD, code });
      expect([400, 403]).toContain(res.status);
    }
    expect((await storedPasswordOf(known.userId))?.passwordHash).toBeNull();
    const asked = await request(node.app).post(`/api/invitations/${token}/code`);
    expect(asked.status).toBe(202);
    const { text } = await server.mailTo(known.email);
    const code = /\n {2}(\d{6})\n/.exec(text)?.[1];
    expect((await accept(node.app, token, { password: GOOD_PASSWORD, code })).status).toBe(200);
  });

  it('sets none with a session, and keeps that session', async () => {
    const known = await seedPasswordless({ email: newAddress() });
    const { token } = await inviteByMail(known.email);
    expect((await accept(node.app, token, {}, known.token)).status).toBe(200);
    expect((await storedPasswordOf(known.userId))?.passwordHash).toBeNull();
    expect((await as(node.app, known).get('/api/auth/me')).status).toBe(200);
  });

  it('sets none if an operator has disabled the person: the answer is that of a wrong password', async () => {
    const known = await seedPasswordless({ email: newAddress() });
    const { token } = await inviteByMail(known.email);
    await setUserStatus(known.userId, 'disabled');
    const res = await accept(node.app, token, { password: GOOD_PASSWORD });
    expect(refusalOf(res)).toEqual([401, 'INVALID_CREDENTIALS']);
    expect((await storedPasswordOf(known.userId))?.passwordHash).toBeNull();
  });

  it('sets one also if they have left every tenant, which learns nothing of it', async () => {
    const known = await seedPasswordless({ email: newAddress() });
    await removeStaff(node.deps, operatorContext, known, { via: 'operator' });
    const { token } = await inviteByMail(known.email);
    expect((await accept(node.app, token, { password: GOOD_PASSWORD })).status).toBe(200);
    const attempt = { email: known.email, password: GOOD_PASSWORD };
    expect((await login(node.app, attempt, HOME)).status).toBe(200);
    expect(await auditOf('PASSWORD_CHANGED', known.tenantId)).toEqual([]);
  });

  it('has one password if fifty requests with two invitations choose one at once on two nodes', async () => {
    const known = await seedPasswordless({ email: newAddress() });
    await removeStaff(node.deps, operatorContext, known, { via: 'operator' });
    const first = await inviteByMail(known.email);
    const administrator = await seedAdministrator();
    const second = await inviteByLink(node.app, administrator, { email: known.email });
    await db.execute(sql`UPDATE invitations SET delivery = 'mail' WHERE id = ${second.id}`);
    const all = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        accept(
          (index % 2 === 0 ? node : other).app,
          index % 4 < 2 ? first.token : second.token,
          // Another password each, so a later request that meets a password is refused.
          { password: `${GOOD_PASSWORD} ${index}` },
        ),
      ),
    );
    for (const { status } of all) expect([200, 401, 404, 409, 429, 503]).toContain(status);
    const winners = all.flatMap(({ status }, index) => (status === 200 ? [index] : []));
    expect(winners).toHaveLength(1);
    const password = `${GOOD_PASSWORD} ${winners[0]}`;
    expect((await login(node.app, { email: known.email, password }, HOME)).status).toBe(200);
    const chosen = await Promise.all(
      [first.administrator, administrator].map(({ tenantId }) =>
        auditOf('INVITATION_ACCEPTED', tenantId),
      ),
    );
    expect(chosen.flat()).toMatchObject([{ details: { by: 'first_password' } }]);
  });
});
