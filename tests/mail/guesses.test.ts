import { sql } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { tenantStaff } from '@/server/db/schema';
import { TRIES_FOR_STRANGERS } from '@/server/security';
import { login } from '@/tests/helpers/http/authCalls';
import { openMailNode } from '@/tests/helpers/mail/mailNode';
import { mailsOf } from '@/tests/helpers/mail/mailRows';
import { startMailServer } from '@/tests/helpers/mail/mailServer';
import type { MailServer } from '@/tests/helpers/mail/mailServer';
import { as, seedOfficer } from '@/tests/helpers/people/officer';
import { wrongCodes } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { ABROAD, HOME, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';
import type { Traveller } from '@/tests/helpers/people/traveller';
import { visibleAnswer } from '@/tests/helpers/http/visibleAnswer';

const DAY_SEC = 86_400;
const WINDOW_SEC = 15 * 60;

let server: MailServer;
let node: ReturnType<typeof openMailNode>;
let perAccount: number;

beforeAll(async () => {
  server = await startMailServer();
  node = openMailNode(server);
  perAccount = node.deps.config.loginFailures.perAccount;
});

let addresses = 0;
/** Each guess comes from a new address, so that the account is locked and not the address. */
const guess = (email: string) =>
  login(
    node.app,
    { email, password: 'a wrong password' },
    { 'x-forwarded-for': `9.9.${(addresses += 1) >> 8}.${addresses & 255}` },
  );

async function guessTimes(email: string, times: number) {
  for (let time = 0; time < times; time += 1) expect((await guess(email)).status).toBe(401);
}

async function kindsOf(member: { staffId: string }) {
  await node.deps.mail.settle();
  return (await mailsOf(member)).map(({ kind }) => kind).sort();
}

async function textOf(member: { email: string }) {
  await node.deps.mail.settle();
  return server.received.filter(({ to }) => to.includes(member.email)).at(-1)?.text ?? '';
}

describe('an account that guessing closes', () => {
  it('has its owner told once, however long the guessing goes on, and with how to get in', async () => {
    const member = await seedTestUserAndToken();
    await guessTimes(member.email, perAccount - 1);
    expect(await kindsOf(member)).toEqual([]);
    await guessTimes(member.email, 6);
    expect(await kindsOf(member)).toEqual(['account_guessed']);
    expect(await textOf(member)).toContain('You can still sign in from your own');
    expect(await textOf(member)).not.toContain('/api/security/notices/');
  });

  it('tells its owner when it stays closed', async () => {
    const member = await seedTestUserAndToken();
    await db.execute(sql`INSERT INTO failed_attempts (scope, subject, tries)
      VALUES ('account', ${subjectOf('email', member.email)}, ${TRIES_FOR_STRANGERS})`);
    await Promise.all([guess(member.email), guess(member.email), guess(member.email)]);
    expect(await kindsOf(member)).toEqual(['account_closed']);
    expect(await textOf(member)).toContain('To unlock your account');
    node.clock.forward(WINDOW_SEC + 1);
    await guessTimes(member.email, 2);
    expect(await kindsOf(member)).toEqual(['account_closed']);
    node.clock.forward(DAY_SEC);
    await guessTimes(member.email, 1);
    expect(await kindsOf(member)).toEqual(['account_closed', 'account_closed']);
  });

  it('answers as one that does not exist, also at the try that closes it', async () => {
    const member = await seedTestUserAndToken();
    const nobody = `nobody-${member.staffId}@example.com`;
    for (let time = 0; time < perAccount + 2; time += 1) {
      const [real, unreal] = [await guess(member.email), await guess(nobody)];
      expect(visibleAnswer(unreal)).toEqual(visibleAnswer(real));
    }
    expect(await kindsOf(member)).toEqual(['account_guessed']);
  });
});

const subjectOf = (kind: string, value: string) =>
  node.deps.keys.hash('attempt-subject', kind, value).subarray(0, 16).toString('hex');

/** Enters wrong codes at one login's challenge. */
async function failProofs(member: Traveller, count: number): Promise<void> {
  const { challengeId } = (await attemptLogin(node.app, member, ABROAD)).body;
  for (const code of wrongCodes(member.secret, node.clock.now(), count)) {
    const res = await request(node.app)
      .post('/api/security/step-up/verify')
      .send({ code, purpose: 'security_settings', challengeId });
    expect([403, 429]).toContain(res.status);
  }
}

/** Enters wrong codes in logins that begin with the factor, each from a new address. */
async function guessBegun(email: string, secret: string, count: number) {
  const answers = [];
  for (const code of wrongCodes(secret, node.clock.now(), count)) {
    const begun = await request(node.app).post('/api/auth/login/begin').send({ email });
    const { challengeId } = begun.body as { challengeId: string };
    const res = await request(node.app)
      .post('/api/security/step-up/verify')
      .set({ 'x-forwarded-for': `9.8.${(addresses += 1) >> 8}.${addresses & 255}` })
      .send({ code, purpose: 'security_settings', challengeId });
    answers.push(visibleAnswer(res));
  }
  return answers;
}

describe('codes of logins that begin with the factor', () => {
  it('are told once a day when they close these logins, and with what opens them', async () => {
    const member = await seedTraveller(node.app);
    await guessBegun(member.email, member.secret, 9);
    expect(await kindsOf(member)).toEqual([]);
    await guessBegun(member.email, member.secret, 1);
    expect(await kindsOf(member)).toEqual(['factor_closed']);
    expect(await textOf(member)).toContain('sign in with your password from a device or network');
    expect(await textOf(member)).not.toContain('/api/security/notices/');
    await guessBegun(member.email, member.secret, 3);
    node.clock.forward(WINDOW_SEC + 1);
    await guessBegun(member.email, member.secret, 3);
    expect(await kindsOf(member)).toEqual(['factor_closed']);
    node.clock.forward(DAY_SEC);
    await guessBegun(member.email, member.secret, 1);
    expect(await kindsOf(member)).toEqual(['factor_closed', 'factor_closed']);
  });

  it('leave the same answers and rows for an account that does not exist, and mail nobody', async () => {
    const member = await seedTraveller(node.app);
    const nobody = `nobody-${member.staffId}@example.com`;
    const counted = async (email: string) => {
      await node.deps.mail.settle();
      const subject = subjectOf('email', email);
      const [codes, told] = ['begun-account', 'told-of-begun-codes'].map((kind) =>
        subjectOf(kind, subject),
      );
      const { rows } = await db.execute(sql`SELECT tries, failures FROM failed_attempts
        WHERE scope = 'step_up' AND subject IN (${codes}, ${told}) ORDER BY tries`);
      expect(rows).toHaveLength(2);
      return rows;
    };
    const count = async () => (await db.execute(sql`SELECT count(*) FROM mails`)).rows;
    const unreal = await guessBegun(nobody, member.secret, 12);
    const before = await count();
    const rows = await counted(nobody);
    expect(await count()).toEqual(before);
    expect(await guessBegun(member.email, member.secret, 12)).toEqual(unreal);
    expect(await counted(member.email)).toEqual(rows);
    expect(await kindsOf(member)).toEqual(['factor_closed']);
  });
});

describe('wrong codes after the right password', () => {
  it('are told from the third on, once, whatever the number of challenges', async () => {
    const member = await seedTraveller(node.app);
    await failProofs(member, 2);
    expect(await kindsOf(member)).toEqual([]);
    await failProofs(member, 2);
    await failProofs(member, 2);
    expect(await kindsOf(member)).toEqual(['second_proof_failed']);
    expect(await textOf(member)).toContain('Somebody entered your password');
    expect(await textOf(member)).toContain('makes your password stop working');
  });

  it('are told again when they close the second factor', async () => {
    const member = await seedTraveller(node.app);
    for (let challenge = 0; challenge < 2; challenge += 1) await failProofs(member, 5);
    expect(await kindsOf(member)).toEqual(['factor_closed', 'second_proof_failed']);
  });

  it('expire the password at the button', async () => {
    const member = await seedTraveller(node.app);
    await failProofs(member, 3);
    const path = /https:\/\/id\.example(\/\S+)/.exec(await textOf(member))?.[1] ?? '';
    expect((await request(node.app).post(path)).status).toBe(200);
    expect((await attemptLogin(node.app, member, HOME)).status).toBe(401);
  });
});

it.each(['login', 'session'] as const)(
  'a recovery code that is used at a %s is told',
  async (at) => {
    const member = await seedTraveller(node.app);
    const { accessToken: token } = (await attemptLogin(node.app, member, HOME)).body;
    const { codes } = (await as(node.app, { token }).post('/api/security/recovery-codes', {})).body;
    const bearer = { authorization: at === 'login' ? '' : `Bearer ${token}` };
    const asked =
      at === 'login'
        ? await attemptLogin(node.app, member, ABROAD)
        : await request(node.app).post('/api/security/recovery-codes').set(bearer);
    expect(asked.status).toBe(428);
    const { challengeId } = asked.body as { challengeId: string };
    const verify = request(node.app).post('/api/security/step-up/verify');
    const proven = await (at === 'login' ? verify : verify.set(bearer)).send({
      code: codes[0],
      purpose: 'security_settings',
      challengeId,
    });
    expect(proven.status).toBe(200);
    const kind = at === 'login' ? 'recovery_code_used_at_login' : 'recovery_code_used';
    expect(await kindsOf(member)).toContain(kind);
    expect(await textOf(member)).toContain('one of your recovery codes');
  },
);

describe('GET /api/security/locked-accounts', () => {
  const listAs = (who: { token: string }) => as(node.app, who).get('/api/security/locked-accounts');
  /** Creates an officer with a token of this node's time. */
  async function officer(options = {}) {
    const seeded = await seedOfficer(options);
    return { ...seeded, token: String((await login(node.app, seeded, HOME)).body.accessToken) };
  }

  it('names members whose password or second factor is closed, and until when', async () => {
    const boss = await officer();
    const [guessed, closed] = [
      await seedTestUserAndToken({ tenantId: boss.tenantId }),
      await seedTestUserAndToken({ tenantId: boss.tenantId }),
    ];
    await guessTimes(guessed.email, perAccount);
    await db.execute(sql`INSERT INTO failed_attempts (scope, subject, tries)
      VALUES ('step_up', ${subjectOf('staff', closed.staffId)}, 50)`);
    const res = await listAs(boss);
    expect(res.status).toBe(200);
    expect(res.body.accounts).toHaveLength(2);
    expect(res.body.accounts).toEqual(
      expect.arrayContaining([
        {
          staffId: guessed.staffId,
          email: guessed.email,
          what: 'password',
          since: expect.any(String),
          until: expect.any(String),
        },
        {
          staffId: closed.staffId,
          email: closed.email,
          what: 'second_factor',
          since: expect.any(String),
          until: null,
        },
      ]),
    );
    node.clock.forward(WINDOW_SEC - 120);
    expect((await listAs(await again(boss))).body.accounts).toHaveLength(2);
    node.clock.forward(240);
    expect((await listAs(await again(boss))).body.accounts).toMatchObject([{ until: null }]);
  });

  it('names a member whose logins that begin with the factor are closed, until they sign in', async () => {
    const boss = await officer();
    const member = await seedTestUserAndToken({ tenantId: boss.tenantId });
    const { email, staffId } = member;
    await guessBegun(email, (await seedTraveller(node.app)).secret, 9);
    expect((await listAs(boss)).body).toEqual({ accounts: [] });
    await guessBegun(email, (await seedTraveller(node.app)).secret, 1);
    const what = 'second_factor';
    expect((await listAs(boss)).body).toEqual({
      accounts: [{ staffId, email, what, since: expect.any(String), until: null }],
    });
    await again(member);
    expect((await listAs(boss)).body).toEqual({ accounts: [] });
  });

  const again = async (who: { email: string; password: string }) => ({
    token: String((await login(node.app, who, HOME)).body.accessToken),
  });

  it('names nobody of another tenant, but the same person in each of theirs', async () => {
    const [boss, other] = [await officer(), await officer()];
    const member = await seedTestUserAndToken({ tenantId: other.tenantId });
    await guessTimes(member.email, perAccount);
    expect((await listAs(boss)).body).toEqual({ accounts: [] });
    const { tenantId } = boss;
    const [here] = await db
      .insert(tenantStaff)
      .values({ tenantId, userId: member.userId })
      .returning();
    expect((await listAs(boss)).body.accounts).toMatchObject([{ staffId: here?.id }]);
    expect((await listAs(other)).body.accounts).toMatchObject([{ staffId: member.staffId }]);
  });

  it('needs SETTINGS_SECURITY_VIEW', async () => {
    const member = await seedTestUserAndToken();
    expect((await listAs(await again(member))).status).toBe(403);
    expect((await request(node.app).get('/api/security/locked-accounts')).status).toBe(401);
  });
});
