import { sql } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { attemptSubject } from '@/server/security';
import { disableStaff, removeStaff } from '@/server/tenants';
import { auditOf, liveSessionsOf } from '@/tests/helpers/database/authRows';
import { login } from '@/tests/helpers/http/authCalls';
import { openMailNode } from '@/tests/helpers/mail/mailNode';
import { startMailServer } from '@/tests/helpers/mail/mailServer';
import type { MailServer } from '@/tests/helpers/mail/mailServer';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import {
  GOOD_PASSWORD,
  INVITATIONS,
  accept,
  inviteByLink,
  makeOlder,
  membershipsOf,
  newAddress,
  seedInvited,
  tokenOf,
} from '@/tests/helpers/people/invitationCalls';
import { as } from '@/tests/helpers/people/officer';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { buildApp } from '@/tests/helpers/server/testApp';
import { pollUntil } from '@/tests/helpers/time/pollUntil';

const AT_ONCE = 50;
let server: MailServer;
let node: ReturnType<typeof openMailNode>;

beforeAll(async () => {
  server = await startMailServer();
  node = openMailNode(server);
});

const refusalOf = (res: { status: number; body: { error?: string } }) => [
  res.status,
  res.body.error,
];
const outcomes = (all: { status: number }[]) =>
  all.map(({ status }) => status).sort((one, other) => one - other);

/** Invites by mail, and returns the token of the link that arrives. */
async function inviteByMail(email = newAddress(), change: Record<string, unknown> = {}) {
  const administrator = await seedAdministrator();
  const body = { email, roles: ['auditor'], delivery: 'mail', ...change };
  const res = await as(node.app, administrator).post(INVITATIONS, body);
  expect([res.status, res.body.link]).toEqual([201, undefined]);
  const { text } = await server.mailTo(email);
  const [link = ''] = /https:\/\/id\.example\/invitation\/inv_[\w-]{43}(?=\n)/.exec(text) ?? [];
  return { administrator, email, text, token: tokenOf(link), id: String(res.body.id) };
}

/** Asks for a code, and returns that of the newest mail. */
async function askForCode(token: string, email: string): Promise<string> {
  const before = server.received.filter(({ to }) => to.includes(email)).length;
  const res = await request(node.app).post(`/api/invitations/${token}/code`);
  expect(res.status).toBe(202);
  const mails = await pollUntil(
    'the code arrives',
    () => Promise.resolve(server.received.filter(({ to }) => to.includes(email))),
    ({ length }) => length > before,
  );
  return /\n {2}(\d{6})\n/.exec(mails.at(-1)?.text ?? '')?.[1] ?? '';
}

const otherThan = (code: string) => String((Number(code) + 1) % 1_000_000).padStart(6, '0');

describe('a new person', () => {
  it('joins by the mailed link and a password, and then signs in as usual', async () => {
    const { administrator, email, text, token, id } = await inviteByMail(undefined, {
      ticket: 'HR-12',
    });
    expect(text).toContain(administrator.email);
    const body = { password: GOOD_PASSWORD, name: ' Ann Lee ' };
    const res = await accept(node.app, token, body);
    const { tenantSlug: slug, tenantId } = administrator;
    expect([res.status, res.body]).toEqual([
      200,
      { tenant: { slug, name: expect.any(String) }, email },
    ]);
    expect(res.headers['set-cookie']).toBeUndefined();
    const [member, another] = await membershipsOf(email);
    expect(another).toBeUndefined();
    expect(member).toMatchObject({
      tenantId,
      name: 'Ann Lee',
      status: 'active',
      roles: ['auditor'],
    });
    expect(member?.permissions).toEqual(['SETTINGS_SECURITY_VIEW', 'TENANT_STAFF_VIEW']);
    const staffId = member?.staffId ?? '';
    expect(await liveSessionsOf(staffId)).toEqual([]);
    expect(await auditOf('STAFF_CREATED', tenantId)).toMatchObject([
      {
        ...{ actor: staffId, subject: `staff:${staffId}` },
        details: {
          ...{ permissions: member?.permissions, roles: ['auditor'], via: 'invitation' },
          ...{ invitation: id, requestedBy: administrator.staffId, ticket: 'HR-12' },
          secondsToEffect: expect.any(Number),
        },
      },
    ]);
    expect(await auditOf('INVITATION_ACCEPTED', tenantId)).toMatchObject([
      { actor: staffId, subject: `invitation:${id}`, details: { staffId, by: 'new_person' } },
    ]);
    expect((await login(node.app, { email, password: GOOD_PASSWORD })).status).toBe(200);
    expect(refusalOf(await accept(node.app, token, body))).toEqual([404, 'NOT_FOUND']);
    const shown = await as(node.app, administrator).get(`${INVITATIONS}/${id}`);
    expect(shown.body).toMatchObject({ status: 'accepted', staffId });
  });

  it('needs a password that the policy accepts; nothing happens before', async () => {
    const { email, token } = await inviteByMail();
    for (const password of ['short', 'password1234567890', undefined]) {
      const res = await accept(node.app, token, { password });
      expect(res.status).toBe(400);
    }
    const refused = await accept(node.app, token, { password: 'short' });
    expect(refused.body.error).toBe('PASSWORD_REFUSED');
    expect(await membershipsOf(email)).toEqual([]);
    expect((await accept(node.app, token, { password: GOOD_PASSWORD })).status).toBe(200);
  });

  it.each([
    ['101 characters', 'x'.repeat(101)],
    ['a mark that reverses the text after it', 'Ann \u202E Lee'],
  ])('cannot have a name that their profile would refuse: %s', async (_what, name) => {
    const { token, email } = await inviteByMail();
    const res = await accept(node.app, token, { password: GOOD_PASSWORD, name });
    expect([...refusalOf(res), res.body.issues?.[0]?.path]).toEqual([400, 'INVALID_INPUT', 'name']);
    expect(await membershipsOf(email)).toEqual([]);
  });

  it('may have a name that needs a joiner between its letters', async () => {
    const { token, email } = await inviteByMail();
    const name = 'نام\u200Cخانوادگی';
    expect((await accept(node.app, token, { password: GOOD_PASSWORD, name })).status).toBe(200);
    expect(await membershipsOf(email)).toEqual([expect.anything()]);
  });

  it('with a link that was handed over also needs the code that was mailed to the address', async () => {
    const { invited } = await seedInvited(node.app);
    const { email, token, id } = invited;
    const password = GOOD_PASSWORD;
    expect(refusalOf(await accept(node.app, token, { password, code: '123456' }))).toEqual([
      403,
      'INVALID_CODE',
    ]);
    const code = await askForCode(token, email);
    const row = await db.execute(sql`SELECT i::text AS row FROM invitations i WHERE id = ${id}`);
    expect(JSON.stringify(row.rows)).not.toContain(code);
    const wrong = await accept(node.app, token, { password, code: otherThan(code) });
    expect(refusalOf(wrong)).toEqual([403, 'INVALID_CODE']);
    // A refused password does not cost the code.
    const weak = await accept(node.app, token, { password: 'short', code });
    expect(refusalOf(weak)).toEqual([400, 'PASSWORD_REFUSED']);
    expect((await accept(node.app, token, { password, code })).status).toBe(200);
    expect(await membershipsOf(email)).toHaveLength(1);
  });

  it('is one membership if fifty accept at once on two nodes', async () => {
    const { email, token, administrator } = await inviteByMail();
    const nodes = [node.app, buildApp({ mail: server.settings() }).app];
    const all = await Promise.all(
      Array.from({ length: AT_ONCE }, (_, index) =>
        accept(nodes[index % 2] ?? node.app, token, { password: GOOD_PASSWORD }),
      ),
    );
    expect(all.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const { status } of all) expect([200, 401, 404, 409]).toContain(status);
    expect(await membershipsOf(email)).toHaveLength(1);
    expect(await auditOf('STAFF_CREATED', administrator.tenantId)).toHaveLength(1);
    expect(await auditOf('INVITATION_ACCEPTED', administrator.tenantId)).toHaveLength(1);
  });
});

describe('the code of a link that was handed over', () => {
  it('has five tries, however many come at once; then only a new code helps', async () => {
    const { invited } = await seedInvited(node.app);
    const { email, token, id } = invited;
    const password = GOOD_PASSWORD;
    const code = await askForCode(token, email);
    const guesses = await Promise.all(
      Array.from({ length: AT_ONCE }, () =>
        accept(node.app, token, { password, code: otherThan(code) }),
      ),
    );
    expect(outcomes(guesses)).toEqual(guesses.map(() => 403));
    const { rows } = await db.execute(sql`SELECT code_tries FROM invitations WHERE id = ${id}`);
    expect(rows).toEqual([{ code_tries: 5 }]);
    expect((await accept(node.app, token, { password, code })).status).toBe(403);
    await makeOlder(invited, 60);
    const next = await askForCode(token, email);
    expect((await accept(node.app, token, { password, code: next })).status).toBe(200);
  });

  it('expires after ten minutes, and ends with its link', async () => {
    const { administrator, invited } = await seedInvited(node.app);
    const { email, token, id } = invited;
    const password = GOOD_PASSWORD;
    const code = await askForCode(token, email);
    await makeOlder(invited, 600);
    expect((await accept(node.app, token, { password, code })).status).toBe(403);
    const fresh = await askForCode(token, email);
    const resent = await as(node.app, administrator).post(`${INVITATIONS}/${id}/resend`, {});
    const next = tokenOf(String(resent.body.link));
    expect((await accept(node.app, next, { password, code: fresh })).status).toBe(403);
  });

  it('is mailed once a minute, and five times for a link', async () => {
    const { invited } = await seedInvited(node.app);
    const { email, token } = invited;
    for (let sent = 1; sent <= 5; sent += 1) {
      await askForCode(token, email);
      const soon = await request(node.app).post(`/api/invitations/${token}/code`);
      expect(refusalOf(soon)).toEqual([429, 'TOO_MANY_ATTEMPTS']);
      expect(soon.headers['retry-after'] === undefined).toBe(sent === 5);
      await makeOlder(invited, 60);
    }
    const all = await Promise.all(
      [1, 2, 3].map(() => request(node.app).post(`/api/invitations/${token}/code`)),
    );
    expect(outcomes(all)).toEqual([429, 429, 429]);
  });

  it('gives no more guesses at an address by sending invitations again', async () => {
    const { invited } = await seedInvited(node.app);
    const { email, token } = invited;
    const subject = attemptSubject(node.deps.keys, 'invitation-code', email);
    await db.execute(sql`INSERT INTO failed_attempts (scope, subject, tries, failures, window_started_at, updated_at)
      VALUES ('account', ${subject}, 40, 0, now(), now())`);
    const code = await askForCode(token, email);
    const res = await accept(node.app, token, { password: GOOD_PASSWORD, code });
    expect(refusalOf(res)).toEqual([403, 'INVALID_CODE']);
  });

  it('is not needed, and not sent, for a mailed link', async () => {
    const { token } = await inviteByMail();
    const res = await request(node.app).post(`/api/invitations/${token}/code`);
    expect(refusalOf(res)).toEqual([409, 'METHOD_UNAVAILABLE']);
  });
});

describe('a person who exists', () => {
  it('joins with their own password, which stays; a wrong one counts like that of a login', async () => {
    const known = await seedTestUserAndToken({ email: newAddress() });
    const { administrator, token } = await inviteByMail(known.email);
    const [before] = await membershipsOf(known.email);
    for (let tries = 0; tries < 3; tries += 1) {
      const wrong = await accept(node.app, token, { password: GOOD_PASSWORD });
      expect([wrong.status, wrong.body]).toEqual([401, { error: 'INVALID_CREDENTIALS' }]);
    }
    const subject = attemptSubject(node.deps.keys, 'email', known.email);
    const counted = await db.execute(sql`SELECT failures FROM failed_attempts
      WHERE scope = 'account' AND subject = ${subject}`);
    expect(counted.rows).toEqual([{ failures: 3 }]);
    expect(await auditOf('AUTH_LOGIN_FAILED', administrator.tenantId)).toHaveLength(3);
    const res = await accept(node.app, token, { password: known.password });
    expect(res.status).toBe(200);
    const all = await membershipsOf(known.email);
    expect(all.map(({ tenantId }) => tenantId).sort()).toEqual(
      [known.tenantId, administrator.tenantId].sort(),
    );
    for (const { passwordHash } of all) expect(passwordHash).toBe(before?.passwordHash);
  });

  it('joins with a session of any tenant, which the other tenant does not get to see', async () => {
    const known = await seedTestUserAndToken({ email: newAddress() });
    const { administrator, invited } = await seedInvited(node.app, { email: known.email });
    const res = await accept(node.app, invited.token, {}, known.token);
    expect(res.status).toBe(200);
    const { tenantId } = administrator;
    const events = [
      ...(await auditOf('STAFF_CREATED', tenantId)),
      ...(await auditOf('INVITATION_ACCEPTED', tenantId)),
    ];
    expect(events).toHaveLength(2);
    for (const secret of [known.staffId, known.sessionId, known.tenantId]) {
      expect(JSON.stringify(events)).not.toContain(secret);
    }
    expect(await auditOf('STAFF_CREATED', known.tenantId)).toHaveLength(0);
  });

  it('is one membership if fifty of their requests accept at once', async () => {
    const known = await seedTestUserAndToken({ email: newAddress() });
    const { invited } = await seedInvited(node.app, { email: known.email });
    const all = await Promise.all(
      Array.from({ length: AT_ONCE }, () => accept(node.app, invited.token, {}, known.token)),
    );
    expect(outcomes(all)).toEqual([200, ...Array.from({ length: AT_ONCE - 1 }, () => 404)]);
    expect(await membershipsOf(known.email)).toHaveLength(2);
  });

  it("cannot accept somebody else's invitation, nor with a session that has ended", async () => {
    const { invited } = await seedInvited(node.app);
    const other = await seedTestUserAndToken();
    const body = { password: GOOD_PASSWORD };
    const refused = await accept(node.app, invited.token, body, other.token);
    expect(refusalOf(refused)).toEqual([403, 'INVITATION_FOR_SOMEBODY_ELSE']);
    const who = { tenantId: other.tenantId, staffId: other.staffId };
    await disableStaff(node.deps, operatorContext, who, { via: 'operator' });
    const ended = await accept(node.app, invited.token, body, other.token);
    expect(refusalOf(ended)).toEqual([401, 'UNAUTHENTICATED']);
    expect(await membershipsOf(invited.email)).toEqual([]);
  });

  it('who was a member becomes one again, in the same row, with what the invitation gives', async () => {
    const administrator = await seedAdministrator();
    const { tenantId } = administrator;
    const email = newAddress();
    const permissions = ['SETTINGS_SECURITY_EDIT'];
    const former = await seedTestUserAndToken({ tenantId, email, permissions });
    const who = { tenantId, staffId: former.staffId };
    await removeStaff(node.deps, operatorContext, who, { via: 'operator' });
    const { token } = await inviteByLink(node.app, administrator, { email });
    const code = await askForCode(token, email);
    const res = await accept(node.app, token, { password: former.password, code });
    expect(res.status).toBe(200);
    expect(await membershipsOf(email)).toMatchObject([
      { staffId: former.staffId, status: 'active', roles: ['member'], permissions: [] },
    ]);
    expect(await auditOf('STAFF_CREATED', tenantId)).toMatchObject([
      { details: { rejoined: true } },
    ]);
    const before = await request(node.app)
      .get('/api/auth/me')
      .set('authorization', `Bearer ${former.token}`);
    expect(before.status).toBe(401);
    expect((await login(node.app, { email, password: former.password })).status).toBe(200);
  });

  it('who has become a member meanwhile gets 409, and the invitation ends', async () => {
    const known = await seedTestUserAndToken({ email: newAddress() });
    const { administrator, invited } = await seedInvited(node.app, { email: known.email });
    const { tenantId } = administrator;
    await db.execute(sql`INSERT INTO tenant_staff (tenant_id, user_id, status)
      VALUES (${tenantId}, ${known.userId}, 'disabled')`);
    const res = await accept(node.app, invited.token, {}, known.token);
    expect(refusalOf(res)).toEqual([409, 'ALREADY_MEMBER']);
    const [, joined] = await membershipsOf(known.email);
    expect(joined).toMatchObject({ status: 'disabled', roles: [] });
    expect((await accept(node.app, invited.token, {}, known.token)).status).toBe(404);
  });
});

describe('the mail of an invitation', () => {
  it('shows a tenant and an inviter in one line each, and nothing of the link stays in the table', async () => {
    const { email, text, id } = await inviteByMail();
    expect(text).toContain('The link works once');
    const rows = await db.execute(
      sql`SELECT m::text AS row FROM mails m WHERE kind = 'invitation'`,
    );
    expect(rows.rows.length).toBeGreaterThan(0);
    expect(JSON.stringify(rows.rows)).not.toMatch(new RegExp(`${email}|inv_|${id}`));
    expect(node.log()).not.toMatch(/inv_[\w-]{43}/);
  });

  it('cannot be sent by a server without mail: 409, and nobody is invited', async () => {
    const { app } = buildApp({ production: true });
    const administrator = await seedAdministrator();
    const body = { email: newAddress(), roles: ['member'], delivery: 'mail' };
    const res = await as(app, administrator).post(INVITATIONS, body);
    expect(res.status).not.toBe(201);
    expect((await as(app, administrator).get(INVITATIONS)).body.invitations).toEqual([]);
  });
});
