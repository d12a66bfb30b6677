import { hash } from 'argon2';
import { eq, sql } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { tenantStaff, users } from '@/server/db/schema';
import { setPassword } from '@/server/tenants';
import { WAITS_FOR_LOCK } from '@/tests/helpers/database/askDatabase';
import { login, me, refresh } from '@/tests/helpers/http/authCalls';
import { auditOf } from '@/tests/helpers/database/authRows';
import { openMailNode } from '@/tests/helpers/mail/mailNode';
import { startMailServer } from '@/tests/helpers/mail/mailServer';
import type { MailServer } from '@/tests/helpers/mail/mailServer';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { answerChallenge } from '@/tests/helpers/stepUp/answerChallenge';
import { ABROAD, HOME, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';

const NEW = 'another long enough password';

let server: MailServer;
let node: ReturnType<typeof openMailNode>;

beforeAll(async () => {
  server = await startMailServer();
  node = openMailNode(server);
});

async function give(who: SeededAuth, password = NEW): Promise<number> {
  const passwordHash = await node.deps.passwords.hash(password);
  return setPassword(node.deps, operatorContext, who, passwordHash, 'operator');
}

const statusOf = async (who: SeededAuth, password: string) =>
  (await login(node.app, { ...who, password }, HOME)).status;

it('the new password signs in, and the old one does not', async () => {
  const member = await seedTestUserAndToken();
  await give(member);
  expect(await statusOf(member, member.password)).toBe(401);
  expect(await statusOf(member, NEW)).toBe(200);
});

it('sessions end in every tenant of the person, and each of these logs says so', async () => {
  const member = await seedTestUserAndToken();
  const { tenantId, tenantSlug: tenant } = await seedTestUserAndToken();
  await db.insert(tenantStaff).values({ tenantId, userId: member.userId });
  const elsewhere = (await login(node.app, { ...member, tenant }, HOME)).body;
  expect(await give(member)).toBe(2);
  for (const token of [member.accessToken, String(elsewhere.accessToken)]) {
    expect((await me(node.app, token)).status).toBe(401);
  }
  expect((await refresh(node.app, String(elsewhere.refreshToken))).status).toBe(401);
  for (const id of [member.tenantId, tenantId]) {
    expect(await auditOf('PASSWORD_SET', id)).toMatchObject([
      { actor: 'system', outcome: 'success', details: { via: 'operator' } },
    ]);
    const [ended] = await auditOf('SESSION_INVALIDATED', id);
    expect(ended?.details).toMatchObject({ reason: 'force_logout' });
  }
});

it('a login that was proven, or waits for a proof, ends with the old password', async () => {
  const [proven, waiting] = [await seedTraveller(node.app), await seedTraveller(node.app)];
  for (const member of [proven, waiting]) {
    const { challengeId } = (await attemptLogin(node.app, member, ABROAD)).body;
    const answer = () => answerChallenge(node, member.secret, { challengeId });
    if (member === proven) expect((await answer()).status).toBe(200);
    await give(member);
    if (member === waiting) expect((await answer()).status).toBe(404);
    const done = await request(node.app).post('/api/auth/login/complete').send({ challengeId });
    expect(done.status).toBe(404);
  }
});

it('a login that checks the old password while it is replaced opens no session that lives', async () => {
  const member = await seedTestUserAndToken();
  // A login replaces a hash of another cost. That must not bring the old password back.
  const cheap = { memoryCost: 8192, timeCost: 2, parallelism: 1 };
  await db
    .update(users)
    .set({ passwordHash: await hash(member.password, cheap) })
    .where(eq(users.id, member.userId));
  let old = member.password;
  for (let round = 0; round < 5; round += 1) {
    const next = `${NEW} ${round}`;
    const [, ...logins] = await Promise.all([
      give(member, next),
      ...Array.from({ length: 3 }, () => login(node.app, { ...member, password: old }, HOME)),
    ]);
    for (const res of logins) {
      expect([200, 401]).toContain(res.status);
      if (res.status !== 200) continue;
      expect((await me(node.app, String(res.body.accessToken))).status).toBe(401);
      expect((await refresh(node.app, String(res.body.refreshToken))).status).toBe(401);
    }
    expect(await statusOf(member, old)).toBe(401);
    expect(await statusOf(member, next)).toBe(200);
    old = next;
  }
});

it('a login that replaces a hash of another cost holds no person while it waits for the membership', async () => {
  const member = await seedTestUserAndToken();
  const passwordHash = await hash(member.password, {
    memoryCost: 8192,
    timeCost: 2,
    parallelism: 1,
  });
  await db.update(users).set({ passwordHash }).where(eq(users.id, member.userId));
  const waiting = await db.transaction(async (tx) => {
    await tx
      .select()
      .from(tenantStaff)
      .where(eq(tenantStaff.id, member.staffId))
      .for('no key update');
    const begun = Promise.resolve(login(node.app, member, HOME));
    await pollUntil(
      'the login waits for the membership',
      () => db.execute(sql.raw(WAITS_FOR_LOCK)),
      ({ rows }) => rows.length > 0,
    );
    // Fails at once if the login holds the row.
    await tx
      .select()
      .from(users)
      .where(eq(users.id, member.userId))
      .for('no key update', { noWait: true });
    return { begun };
  });
  expect((await waiting.begun).status).toBe(200);
});

it('an expired password is replaced by one that works; a proof that was due stays due', async () => {
  const member = await seedTraveller(node.app);
  await db.update(users).set({ passwordExpiredAt: new Date() }).where(eq(users.id, member.userId));
  await db
    .update(tenantStaff)
    .set({ mustProveLogin: true })
    .where(eq(tenantStaff.id, member.staffId));
  expect(await statusOf(member, member.password)).toBe(401);
  await give(member);
  const res = await login(node.app, { ...member, password: NEW }, HOME);
  expect([res.status, res.body.reasons]).toEqual([428, ['PROOF_REQUIRED']]);
});

it('the person is told by mail, and can make the new password stop working', async () => {
  const member = await seedTestUserAndToken();
  await give(member);
  const mail = await server.mailTo(member.email);
  expect(mail.headers.get('subject')).toMatch(/^You have a new password: Tenant /);
  expect(mail.text).toContain('An operator of this service gave you a new password.');
  expect(mail.text).not.toContain(NEW);
  const path = /https:\/\/id\.example(\/\S+)/.exec(mail.text)?.[1] ?? '';
  expect((await request(node.app).post(path)).status).toBe(200);
  expect(await statusOf(member, NEW)).toBe(401);
});

it('somebody of another tenant is nobody: nothing changes', async () => {
  const [member, stranger] = [await seedTestUserAndToken(), await seedTestUserAndToken()];
  const crossed = { ...member, tenantId: stranger.tenantId };
  await expect(give(crossed)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(await statusOf(member, member.password)).toBe(200);
});
