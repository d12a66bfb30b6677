import { forceLogout } from '@/server/tenants';
import { sql } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { enrollTotpForStaff } from '@/server/security';
import { login, logout, me, refresh, rotate } from '@/tests/helpers/http/authCalls';
import { liveSessionsOf, withoutTable } from '@/tests/helpers/database/authRows';
import { openMailNode } from '@/tests/helpers/mail/mailNode';
import { mailsOf } from '@/tests/helpers/mail/mailRows';
import { hastenMails, startMailServer } from '@/tests/helpers/mail/mailServer';
import type { MailServer } from '@/tests/helpers/mail/mailServer';
import { spawnNode } from '@/tests/helpers/server/nodeProcess';
import { MAY_ALL, as, choosePolicy } from '@/tests/helpers/people/officer';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { codeAt } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { answerChallenge } from '@/tests/helpers/stepUp/answerChallenge';
import { ABROAD, HOME, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';

const PHONE = { ...HOME, 'user-agent': 'A phone (Phone OS 7)' };

let server: MailServer;
let node: ReturnType<typeof openMailNode>;

beforeAll(async () => {
  server = await startMailServer();
  node = openMailNode(server);
});

const seedMember = () => seedTraveller(node.app, { permissions: MAY_ALL, factor: false });

async function tenantNameOf({ tenantId }: { tenantId: string }): Promise<string> {
  const { rows } = await db.execute<{ name: string }>(
    sql`SELECT name FROM tenants WHERE id = ${tenantId}`,
  );
  return rows[0]?.name ?? '';
}

/** Expects the facts that every notice contains besides the event. */
async function expectFacts(member: { tenantId: string; email: string }, ...facts: string[]) {
  const mail = await server.mailTo(member.email);
  expect(mail.to).toEqual([member.email]);
  expect(mail.text).toContain(await tenantNameOf(member));
  const now = node.clock.now().toISOString().slice(0, 16).replace('T', ' ');
  expect(mail.text).toMatch(/When: +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/);
  expect(mail.text).toContain(now);
  expect(mail.text).toMatch(/https:\/\/id\.example\/api\/security\/notices\/ntc_[\w-]{43}\n/);
  expect(mail.text).toContain('tell an administrator');
  for (const fact of facts) expect(mail.text).toContain(fact);
  expect(mail.headers.get('content-type')).toMatch(/^text\/plain/);
  return mail;
}

/** Expects no mail. A queued one would be in the table. */
async function expectNoMail(member: { staffId: string }): Promise<void> {
  await node.deps.mail.settle();
  expect(await mailsOf(member)).toEqual([]);
}

describe('a login on a new device', () => {
  it('is told with device, country, address and time', async () => {
    const member = await seedMember();
    expect((await attemptLogin(node.app, member, PHONE)).status).toBe(200);
    const mail = await expectFacts(
      member,
      'from a device that had not been used there before',
      'Where:  United Kingdom (GB), address 81.2.69.142',
      'Device: A phone (Phone OS 7)',
    );
    expect(mail.headers.get('subject')).toMatch(/^New device signed in: Tenant /);
  });

  it('is told once: the next login on it is no news, and neither is one on a known device', async () => {
    const member = await seedMember();
    for (const from of [PHONE, PHONE, HOME]) {
      expect((await attemptLogin(node.app, member, from)).status).toBe(200);
    }
    await node.deps.mail.settle();
    expect(await mailsOf(member)).toMatchObject([{ kind: 'new_device' }]);
  });

  it('that is the first login ever tells nobody anything', async () => {
    const member = await seedMember();
    await expectNoMail(member);
  });

  it('is told where a proof let it in, with the password again or without', async () => {
    const [again, complete] = [await seedTraveller(node.app), await seedTraveller(node.app)];
    for (const member of [again, complete]) {
      const stopped = await attemptLogin(node.app, member, ABROAD);
      expect(stopped.status).toBe(428);
      await expectNoMail(member);
      const { challengeId } = stopped.body as { challengeId: string };
      const proven = await answerChallenge(node, member.secret, { challengeId });
      expect(proven.status).toBe(200);
      const res =
        member === again
          ? await attemptLogin(node.app, member, ABROAD, { challengeId })
          : await request(node.app)
              .post('/api/auth/login/complete')
              .set(ABROAD)
              .send({ challengeId });
      expect(res.status).toBe(200);
      await expectFacts(member, 'Japan (JP), address 133.11.0.1', 'Something unheard of');
    }
  });

  it('goes on where the mail cannot be queued: its table is gone, or refuses', async () => {
    const member = await seedMember();
    await withoutTable('mails', async () => {
      expect((await attemptLogin(node.app, member, PHONE)).status).toBe(200);
    });
    await refusingMails(async () => {
      const tablet = { ...HOME, 'user-agent': 'A tablet' };
      expect((await attemptLogin(node.app, member, tablet)).status).toBe(200);
    });
    const metrics = await node.deps.metrics.registry.metrics();
    expect(metrics).toContain('background_failures_total{task="queue_notice"} 1');
    expect(metrics).toContain('background_failures_total{task="notice_new_device"} 1');
  });
});

/** Runs work while no row can be written into the outbox. */
async function refusingMails(work: () => Promise<void>): Promise<void> {
  await db.execute(sql`ALTER TABLE mails ADD CONSTRAINT refuse CHECK (false) NOT VALID`);
  try {
    await work();
  } finally {
    await db.execute(sql`ALTER TABLE mails DROP CONSTRAINT refuse`);
  }
}

describe('a refresh token that is used again', () => {
  it('is told with where the copy came from, once', async () => {
    const member = await seedMember();
    await rotate(node.app, member.refreshToken, 1);
    for (let times = 0; times < 2; times += 1) {
      expect((await refresh(node.app, member.refreshToken, ABROAD)).status).toBe(401);
    }
    const said = ['used an old copy', 'we ended all your sessions there', 'Japan (JP)'];
    await expectFacts(member, ...said, 'Something unheard of');
    expect(await mailsOf(member)).toMatchObject([{ kind: 'reuse_detected' }]);
  });

  it('ends the sessions also while the outbox has no table', async () => {
    const member = await seedMember();
    await rotate(node.app, member.refreshToken, 1);
    await withoutTable('mails', async () => {
      const res = await refresh(node.app, member.refreshToken);
      expect(res.body).toEqual({ error: 'FORCE_LOGOUT', reason: 'reuse_detected' });
    });
    expect(await liveSessionsOf(member.staffId)).toEqual([]);
  });

  it('is told by another node where the one that found it is killed before the mail is out', async () => {
    const stuck = await startMailServer();
    stuck.behave('hang');
    const { smtp } = stuck.settings();
    const { url, kill } = await spawnNode({
      SMTP_URL: `smtp://127.0.0.1:${smtp?.port}`,
      SMTP_TIMEOUT_MS: '20000',
      MAIL_FROM: 'security@gatehouse.example',
    });
    const member = await seedTestUserAndToken();
    const body = { refreshToken: member.refreshToken };
    expect((await request(url).post('/api/auth/refresh').send(body)).status).toBe(200);
    expect((await request(url).post('/api/auth/refresh').send(body)).status).toBe(401);
    await pollUntil(
      'it is being sent',
      () => Promise.resolve(stuck.begun()),
      (begun) => begun === 1,
    );
    await kill();
    const [claimed] = await mailsOf(member);
    expect(claimed).toMatchObject({ tries: 1, sentAt: null });
    node.deps.mail.wake();
    await node.deps.mail.settle();
    expect(server.received.filter(({ to }) => to.includes(member.email))).toEqual([]);
    await hastenMails();
    node.deps.mail.wake();
    expect((await server.mailTo(member.email)).text).toContain('used an old copy');
  });
});

describe('a forced logout', () => {
  it('by an operator is told', async () => {
    const member = await seedMember();
    await forceLogout(node.deps, operatorContext, member.tenantId, member.staffId);
    const mail = await expectFacts(member, 'An operator of this service ended all your sessions');
    expect(mail.text).not.toContain('Device:');
  });

  it('by an administrator is told, without where and on what the administrator sat', async () => {
    const member = await seedMember();
    const { tenantId } = member;
    const permissions = [...MAY_ALL, 'TENANT_STAFF_MANAGE'];
    const admin = await seedTestUserAndToken({ tenantId, permissions });
    const ctx = { ...operatorContext, actor: admin.staffId, ip: '192.0.2.77', userAgent: 'Chair' };
    await forceLogout(node.deps, ctx, member.tenantId, member.staffId);
    const mail = await expectFacts(member, 'An administrator ended all your sessions');
    expect(mail.text).not.toMatch(/192\.0\.2\.77|Chair/);
  });

  it('by a score is told, at a login and at a refresh, with where it came from', async () => {
    for (const at of ['login', 'refresh'] as const) {
      const member = await seedMember();
      await choosePolicy(node.app, member, { highRiskFrom: 80 });
      const res =
        at === 'login'
          ? await attemptLogin(node.app, member, ABROAD)
          : await refresh(node.app, member.refreshToken, ABROAD);
      expect(res.status).toBe(at === 'login' ? 403 : 401);
      await expectFacts(member, 'looked like an attack', 'Japan (JP), address 133.11.0.1');
      const kind = at === 'login' ? 'login_blocked' : 'forced_logout';
      expect(await mailsOf(member)).toMatchObject([{ kind }]);
    }
  });

  it('does not happen where its mail cannot be queued: nobody is signed out unheard', async () => {
    const member = await seedMember();
    await refusingMails(async () => {
      const forced = forceLogout(node.deps, operatorContext, member.tenantId, member.staffId);
      await expect(forced).rejects.toThrow();
    });
    expect((await me(node.app, member.token)).status).toBe(200);
    await expectNoMail(member);
  });

  it('that is undone by its commit is told to nobody', async () => {
    const member = await seedMember();
    await db.execute(sql`CREATE FUNCTION undo() RETURNS trigger LANGUAGE plpgsql
      AS 'BEGIN RAISE EXCEPTION ''undone''; END'`);
    await db.execute(sql`CREATE CONSTRAINT TRIGGER undo AFTER UPDATE ON tenant_staff
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION undo()`);
    try {
      const forced = forceLogout(node.deps, operatorContext, member.tenantId, member.staffId);
      await expect(forced).rejects.toThrow();
    } finally {
      await db.execute(sql`DROP FUNCTION undo CASCADE`);
    }
    expect((await me(node.app, member.token)).status).toBe(200);
    await expectNoMail(member);
  });

  it('of oneself, on this device, on one, on all, tells nobody anything', async () => {
    const member = await seedMember();
    const bearer = async () => String((await login(node.app, member, HOME)).body.accessToken);
    expect((await logout(node.app, await bearer())).status).toBe(204);
    const mine = as(node.app, { token: await bearer() });
    const ended = await request(node.app)
      .delete(`/api/auth/sessions/${member.sessionId}`)
      .set('authorization', `Bearer ${member.token}`);
    expect(ended.status).toBe(204);
    expect((await mine.post('/api/auth/logout-all', {})).status).toBe(204);
    await expectNoMail(member);
  });
});

describe('a changed factor', () => {
  it('is told: enrolled, removed, recovery codes made and made anew', async () => {
    const member = await seedMember();
    const mine = as(node.app, member);
    const told = async (count: number) => {
      const all = () =>
        Promise.resolve(server.received.filter(({ to }) => to.includes(member.email)));
      const mails = await pollUntil('it is told', all, ({ length }) => length === count);
      return mails.at(-1)?.text ?? '';
    };
    const { secret, factorId } = (await mine.post('/api/security/totp/enroll', {})).body;
    await expectNoMail(member);
    const code = codeAt(String(secret), node.clock.now());
    expect((await mine.post('/api/security/totp/confirm', { code })).status).toBe(200);
    expect(await told(1)).toContain('An authenticator app was added to your account at Tenant');
    for (const [count, change] of [
      [2, 'added to'],
      [3, 'replaced on'],
    ] as const) {
      expect((await mine.post('/api/security/recovery-codes', {})).status).toBe(200);
      expect(await told(count)).toContain(`Recovery codes were ${change} your account`);
    }
    const removed = await request(node.app)
      .delete(`/api/security/factors/${String(factorId)}`)
      .set({ authorization: `Bearer ${member.token}`, 'x-stepup-test-bypass': '1', ...HOME });
    expect(removed.status).toBe(204);
    const text = await told(4);
    expect(text).toContain('An authenticator app was removed from your account');
    expect(text).toContain('United Kingdom (GB)');
  });

  it('is told where an operator gave or replaced it', async () => {
    const member = await seedMember();
    for (const change of ['added to', 'replaced on']) {
      await db.transaction((tx) =>
        enrollTotpForStaff(node.deps, tx, operatorContext, member, 'operator'),
      );
      node.deps.mail.wake();
      await node.deps.mail.settle();
      const { text = '' } = server.received.at(-1) ?? {};
      expect(text).toContain(`An authenticator app was ${change} your account`);
      expect(text).toContain('By:     an operator of this service');
    }
  });
});

describe('what somebody else chose', () => {
  it('adds no header, no recipient, no line and no link to a mail', async () => {
    const member = await seedMember();
    const name = 'Evil\r\nBcc: thief@evil.example\r\n\r\nCall\u0000 us \u202ENOW\u2028 Inc';
    const pieces = ['Evil', 'Bcc: thief@evil.example', 'Call', 'us', 'NOW', 'Inc'];
    await db.execute(sql`UPDATE tenants SET name = ${name.replace('\u0000', '')}
      WHERE id = ${member.tenantId}`);
    const agent = `Nice\tone https://evil.example/a?b=c visit www.evil.example ${'x'.repeat(300)}`;
    expect((await attemptLogin(node.app, member, { ...PHONE, 'user-agent': agent })).status).toBe(
      200,
    );
    const mail = await server.mailTo(member.email);
    expect(mail.to).toEqual([member.email]);
    expect(mail.headers.has('bcc')).toBe(false);
    expect(mail.headers.get('subject')).toBe(`New device signed in: ${pieces.join(' ')}`);
    expect(mail.text.match(/^Device: .*$/m)?.[0].length).toBeLessThan(140);
    expect(mail.text).not.toMatch(/evil\.example\/a|www\.evil|https:\/\/evil/);
    expect(mail.text).not.toMatch(/[\p{Cf}\p{Zl}\t]/u);
    // As many as in any other mail.
    expect(mail.text.split('\n').length).toBe(12);
  });
});

it('no address, subject, text or link of any of these mails is in the log', () => {
  expect(server.received.length).toBeGreaterThan(10);
  expect(node.log()).toContain('"route":"/api/auth/refresh"');
  expect(node.log()).not.toMatch(/@example\.com|ntc_|New device signed|administrator of|evil/);
});
