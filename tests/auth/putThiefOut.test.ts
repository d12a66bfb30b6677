import { forceLogout } from '@/server/tenants';
import { eq, sql } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { tenantStaff, users } from '@/server/db/schema';
import { login, me, refresh, rotate } from '@/tests/helpers/http/authCalls';
import { auditOf, liveSessionsOf, withoutTable } from '@/tests/helpers/database/authRows';
import { openMailNode } from '@/tests/helpers/mail/mailNode';
import { mailsOf } from '@/tests/helpers/mail/mailRows';
import { startMailServer } from '@/tests/helpers/mail/mailServer';
import type { MailServer } from '@/tests/helpers/mail/mailServer';
import { MAY_ALL, choosePolicy } from '@/tests/helpers/people/officer';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { answerChallenge } from '@/tests/helpers/stepUp/answerChallenge';
import { devicesOfEndedSessions, habitsOf, taughtBySession } from '@/tests/helpers/risk/taught';
import { ABROAD, HOME, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';
import type { Traveller } from '@/tests/helpers/people/traveller';
import { visibleAnswer } from '@/tests/helpers/http/visibleAnswer';

/** In the owner's country, on another device and network, so that no score asks for a proof. */
const THIEF = { 'x-forwarded-for': '86.128.0.1', 'user-agent': "A thief's phone" };
const PAUSE_SEC = 120;

let server: MailServer;
let node: ReturnType<typeof openMailNode>;
let other: ReturnType<typeof openMailNode>;

beforeAll(async () => {
  server = await startMailServer();
  [node, other] = [openMailNode(server), openMailNode(server)];
});

/** Waits for that many mails to a person, and returns them, oldest first. */
async function mailed(member: { email: string }, kind: RegExp): Promise<string[]> {
  await node.deps.mail.settle();
  await other.deps.mail.settle();
  return server.received
    .filter(
      ({ to, headers }) => to.includes(member.email) && kind.test(headers.get('subject') ?? ''),
    )
    .map(({ text }) => text);
}

const pathIn = (text = '') => /https:\/\/id\.example(\/\S+)/.exec(text)?.[1] ?? '';
const press = (path: string) => request(node.app).post(path);
const passwordRow = async ({ userId }: { userId: string }) =>
  (await db.select().from(users).where(eq(users.id, userId)))[0];
const mustProve = async (staffId: string) =>
  (await db.select().from(tenantStaff).where(eq(tenantStaff.id, staffId)))[0]?.mustProveLogin;
const reasonsOf = async (tenantId: string) =>
  (await auditOf('AUTH_LOGIN_FAILED', tenantId)).map(({ details }) => details['reason']);

/** Chooses a policy with a token of this node's time. */
async function watch(owner: Traveller, change: Parameters<typeof choosePolicy>[2]) {
  const { accessToken: token } = (await attemptLogin(node.app, owner, HOME)).body;
  await choosePolicy(node.app, { token: String(token) }, change);
}

/**
 * Signs a person in at home, and then a thief with their password. A mail reports the second login.
 */
async function burgled(member?: Traveller) {
  const owner = member ?? (await seedTraveller(node.app, { factor: false }));
  node.clock.forward(PAUSE_SEC);
  const thief = await attemptLogin(node.app, owner, THIEF);
  expect(thief.status).toBe(200);
  const [told] = (await mailed(owner, /^New device/)).slice(-1);
  return { owner, thief: thief.body as Record<string, string>, link: pathIn(told) };
}

describe('the button of the mail about a login on a new device', () => {
  it('puts the thief out: the same password answers them like a wrong one, at once and on every node', async () => {
    const { owner, thief, link } = await burgled();
    const pressed = await press(link);
    expect([pressed.status, pressed.text]).toEqual([
      200,
      expect.stringContaining('or ask an operator of this service.'),
    ]);
    expect((await me(other.app, String(thief['accessToken']))).status).toBe(401);
    for (const { app } of [node, other]) {
      const again = await attemptLogin(app, owner, THIEF);
      const wrong = await attemptLogin(app, { ...owner, password: 'a wrong password' }, THIEF);
      expect(again.status).toBe(401);
      expect(visibleAnswer(again)).toEqual(visibleAnswer(wrong));
    }
    expect(await liveSessionsOf(owner.staffId)).toEqual([]);
    const failed = ['password_expired', 'wrong_password'];
    expect(await reasonsOf(owner.tenantId)).toEqual([...failed, ...failed]);
  });

  it('expires the password once, in every tenant of its owner, and ends the sessions that it opened there', async () => {
    const owner = await seedTraveller(node.app, { factor: false });
    const { tenantId, tenantSlug: tenant } = await seedTestUserAndToken();
    const [elsewhere] = await db
      .insert(tenantStaff)
      .values({ tenantId, userId: owner.userId })
      .returning();
    const there = await login(node.app, { ...owner, tenant }, THIEF);
    expect(there.status).toBe(200);
    const here = await attemptLogin(node.app, owner, THIEF, { tenant: owner.tenantSlug });
    expect(here.status).toBe(200);
    const [told] = await mailed(owner, /^New device/);
    for (let times = 0; times < 2; times += 1) expect((await press(pathIn(told))).status).toBe(200);
    for (const session of [there, here]) {
      expect((await me(node.app, String(session.body.accessToken))).status).toBe(401);
    }
    const refused = await login(node.app, { ...owner, tenant }, HOME);
    expect(refused.status).toBe(401);
    for (const whose of [owner, { tenantId, staffId: elsewhere?.id ?? '' }]) {
      expect(await auditOf('PASSWORD_EXPIRED', whose.tenantId)).toMatchObject([
        { subject: `staff:${whose.staffId}`, details: { via: 'notice' } },
      ]);
      expect(await mustProve(whose.staffId)).toBe(true);
    }
    const answered = await auditOf('NOTICE_ANSWERED', owner.tenantId);
    expect(answered.map(({ details }) => details)).toEqual([
      { kind: 'new_device', passwordExpired: true },
      { kind: 'new_device' },
    ]);
  });

  it('forgets what the thief taught, also if the thief had signed out by then', async () => {
    const { owner, thief, link } = await burgled();
    const sessionId = String(thief['sessionId']);
    expect(await taughtBySession(sessionId)).toMatchObject({ known_devices: 2, known_networks: 1 });
    const logins = await habitsOf(owner.staffId);
    const left = await request(node.app)
      .post('/api/auth/logout')
      .set('authorization', `Bearer ${String(thief['accessToken'])}`);
    expect(left.status).toBe(204);
    expect((await press(link)).status).toBe(200);
    expect(Object.values(await taughtBySession(sessionId))).toEqual([0, 0, 0, 0]);
    expect(await habitsOf(owner.staffId)).toBeLessThan(logins);
    const [event] = await auditOf('STAFF_COMPROMISED', owner.tenantId);
    expect(event?.details).toMatchObject({ via: 'notice', networks: expect.any(Number) });
    expect(Number(event?.details['devices'])).toBeGreaterThanOrEqual(2);
  });

  it('does not expire a password that was set after the mail', async () => {
    const { owner, link } = await burgled();
    await db
      .update(users)
      .set({ passwordChangedAt: new Date(node.clock.now().getTime() + 600_000) })
      .where(eq(users.id, owner.userId));
    expect((await press(link)).status).toBe(200);
    expect((await passwordRow(owner))?.passwordExpiredAt).toBeNull();
    const next = await attemptLogin(node.app, owner, THIEF);
    expect([next.status, next.body.reasons]).toEqual([428, ['NEW_DEVICE', 'PROOF_REQUIRED']]);
  });

  it('ends the sessions also while nothing can be forgotten, and says so in a metric', async () => {
    const { owner, link } = await burgled();
    await withoutTable('known_networks', async () => {
      expect((await press(link)).status).toBe(200);
    });
    expect(await liveSessionsOf(owner.staffId)).toEqual([]);
    expect((await attemptLogin(node.app, owner, THIEF)).status).toBe(401);
    const metrics = await node.deps.metrics.registry.metrics();
    expect(metrics).toContain('background_failures_total{task="forget_taught"} 1');
  });

  it('says on its page and in its mail that the password will stop working, and how to get a new one', async () => {
    const { owner, link } = await burgled();
    const page = await request(node.app).get(link);
    expect(page.text).toContain('Your password stops working everywhere');
    const [told] = await mailed(owner, /^New device/);
    expect(told).toContain('makes your password stop working, everywhere');
    for (const text of [told, page.text]) {
      expect(text).toContain('ask for a link for a new');
      expect(text).toContain('or ask an operator of this service for one');
    }
  });
});

describe('the button of a mail that tells of no use of the password', () => {
  it('lets the owner in again after a proof, once; the password stays', async () => {
    const owner = await seedTraveller(node.app);
    await rotate(node.app, owner.refreshToken, 1);
    expect((await refresh(node.app, owner.refreshToken, ABROAD)).status).toBe(401);
    const [told] = await mailed(owner, /^Your sessions were ended/);
    expect((await press(pathIn(told))).status).toBe(200);
    expect((await passwordRow(owner))?.passwordExpiredAt).toBeNull();
    const stopped = await attemptLogin(node.app, owner, HOME);
    expect([stopped.status, stopped.body.methods]).toEqual([428, ['totp']]);
    expect(stopped.body.reasons).toContain('PROOF_REQUIRED');
    expect(await mustProve(owner.staffId)).toBe(true);
    const { challengeId } = stopped.body as { challengeId: string };
    expect((await answerChallenge(node, owner.secret, { challengeId })).status).toBe(200);
    const finished = await request(node.app)
      .post('/api/auth/login/complete')
      .set(HOME)
      .send({ challengeId });
    expect(finished.status).toBe(200);
    expect(await mustProve(owner.staffId)).toBe(false);
    expect((await attemptLogin(node.app, owner, HOME)).status).toBe(200);
  });
});

describe('a forced logout of a compromised account', () => {
  const compromised = (who: Traveller, change = {}) =>
    forceLogout(node.deps, operatorContext, who.tenantId, who.staffId, {
      since: null,
      expirePassword: false,
      ...change,
    });

  it("asks the next login for a proof, whatever its score, and tells of the thief's device again", async () => {
    const owner = await seedTraveller(node.app);
    const { thief } = await burgled(owner);
    await compromised(owner);
    expect((await me(node.app, String(thief['accessToken']))).status).toBe(401);
    const stopped = await attemptLogin(node.app, owner, THIEF);
    expect(stopped.status).toBe(428);
    expect(stopped.body.reasons).toEqual(['NEW_DEVICE', 'PROOF_REQUIRED']);
    expect(await liveSessionsOf(owner.staffId)).toEqual([]);
    const before = (await mailed(owner, /^New device/)).length;
    const { challengeId } = stopped.body as { challengeId: string };
    expect((await answerChallenge(node, owner.secret, { challengeId })).status).toBe(200);
    expect((await attemptLogin(node.app, owner, THIEF, { challengeId })).status).toBe(200);
    expect(await mailed(owner, /^New device/)).toHaveLength(before + 1);
  });

  it('keeps out somebody who has no proof to give, until an operator enrols one', async () => {
    const owner = await seedTraveller(node.app, { factor: false });
    await compromised(owner);
    const stopped = await attemptLogin(node.app, owner, HOME);
    expect([stopped.status, stopped.body.methods]).toEqual([428, ['email']]);
    expect((await attemptLogin(node.app, owner, HOME)).status).toBe(428);
    expect(await mustProve(owner.staffId)).toBe(true);
  });

  it('expires the password in every tenant if the operator says that it was used', async () => {
    const owner = await seedTraveller(node.app, { factor: false });
    await compromised(owner, { expirePassword: true });
    expect((await attemptLogin(node.app, owner, HOME)).status).toBe(401);
    expect(await auditOf('PASSWORD_EXPIRED', owner.tenantId)).toMatchObject([
      { actor: 'system', details: { via: 'operator' } },
    ]);
    const [told] = await mailed(owner, /^Your sessions were ended/);
    expect(told).toContain('Your password no longer works');
  });

  it('holds against a watching policy too: what only watches scores does not watch this', async () => {
    const owner = await seedTraveller(node.app, { permissions: MAY_ALL });
    await watch(owner, { monitor: true });
    await compromised(owner);
    const stopped = await attemptLogin(node.app, owner, HOME);
    expect([stopped.status, stopped.body.reasons.at(-1)]).toEqual([428, 'PROOF_REQUIRED']);
  });

  it('leaves nothing learnt by a login that runs beside it', async () => {
    const owner = await seedTraveller(node.app, { factor: false });
    for (let round = 0; round < 8; round += 1) {
      const device = { ...THIEF, 'user-agent': `Phone ${round}` };
      const [raced] = await Promise.all([
        attemptLogin(round % 2 ? other.app : node.app, owner, device),
        compromised(owner),
      ]);
      expect([200, 401, 428]).toContain(raced.status);
      if (raced.status === 200) {
        expect((await me(node.app, String(raced.body.accessToken))).status).toBe(401);
      }
      expect(await devicesOfEndedSessions(owner.staffId)).toBe(0);
      await db.execute(
        sql`UPDATE tenant_staff SET must_prove_login = false WHERE id = ${owner.staffId}`,
      );
    }
  });
});

describe('what ends sessions by itself', () => {
  it('forgets what the session of a replayed token taught', async () => {
    const owner = await seedTraveller(node.app, { factor: false });
    const session = (await attemptLogin(node.app, owner, THIEF)).body;
    const taught = await taughtBySession(String(session.sessionId));
    expect(taught).toMatchObject({ known_devices: 2 });
    await rotate(node.app, String(session.refreshToken), 1);
    expect((await refresh(node.app, String(session.refreshToken))).status).toBe(401);
    expect(Object.values(await taughtBySession(String(session.sessionId)))).toEqual([0, 0, 0, 0]);
    const kinds = (await mailsOf(owner)).map(({ kind }) => kind).sort();
    expect(kinds).toEqual(['new_device', 'reuse_detected']);
  });

  it('forgets what a session taught whose refresh was blocked', async () => {
    const owner = await seedTraveller(node.app, { factor: false, permissions: MAY_ALL });
    await watch(owner, { highRiskFrom: 60 });
    const session = (await attemptLogin(node.app, owner, THIEF)).body;
    const res = await refresh(node.app, String(session.refreshToken), ABROAD);
    expect([res.status, res.body.reason]).toEqual([401, 'anomaly_score']);
    expect(Object.values(await taughtBySession(String(session.sessionId)))).toEqual([0, 0, 0, 0]);
  });
});

describe('a session of the owner that came to its end by itself', () => {
  it('keeps what it taught when live sessions are not trusted any more', async () => {
    const owner = await seedTraveller(node.app, { factor: false });
    const tablet = await attemptLogin(node.app, owner, { ...HOME, 'user-agent': 'A tablet' });
    const sessionId = String(tablet.body.sessionId);
    const taught = await taughtBySession(sessionId);
    expect(taught['known_devices']).toBeGreaterThan(0);
    await db.execute(
      sql`UPDATE user_sessions SET expires_at = now() - interval '1 day' WHERE id = ${sessionId}`,
    );
    const compromise = { since: null, expirePassword: false };
    await forceLogout(node.deps, operatorContext, owner.tenantId, owner.staffId, compromise);
    expect(await taughtBySession(sessionId)).toEqual(taught);
  });
});
