import type { Server } from 'node:http';
import { and, eq, sql } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { auditLogs, stepUpChallenges, userTotp } from '@/server/db/schema';
import { askForProof } from '@/tests/helpers/stepUp/askForProof';
import { closeLater } from '@/tests/helpers/server/closing';
import { codeAt, giveFactor, wrongCodes } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';

const clock = createMovableClock();
const { app, deps } = buildApp({ accessTokenTtlSec: 86_400 }, { clock });
// One listening server, because hundreds of parallel requests must not open a port each.
const server: Server = app.listen(0);
closeLater(() => new Promise((resolve) => server.close(resolve)));

const WINDOW_SEC = 15 * 60;
/**
 * NIST SP 800-63B-4 3.2.2: how many codes of one account may be evaluated without a success in
 * between.
 */
const MOST_EVALUATED = 100;
/** How many codes of one account may be tried in a window, also at the same time. */
const MOST_TRIES = 17;

const answer = (token: string, code: unknown, more: object = {}) =>
  request(server)
    .post('/api/security/step-up/verify')
    .set('authorization', `Bearer ${token}`)
    .send({ code, purpose: 'data_export', ...more });

/**
 * Does the same after the session has been asked for it. A challenge that is named was opened
 * before.
 */
async function verify(
  token: string,
  code: unknown,
  more: { purpose?: string; challengeId?: string } = {},
) {
  if (more.challengeId === undefined) {
    await askForProof(app, token, more.purpose ?? 'data_export');
  }
  return answer(token, code, more);
}

/**
 * Guesses one code after another, and opens a new challenge whenever the last one has had its five
 * tries.
 */
async function guessInTurn(token: string, guesses: string[]): Promise<void> {
  for (const [index, guess] of guesses.entries()) {
    await (index % 5 === 0 ? verify(token, guess) : answer(token, guess));
  }
}

const outcome = (res: request.Response) => [res.status, res.body.error];

async function signIn(who: { email: string; password: string }): Promise<string> {
  const { email, password } = who;
  const res = await request(server).post('/api/auth/login').send({ email, password });
  expect(res.status).toBe(200);
  return String(res.body.accessToken);
}

async function seedMember(options: { tenantId?: string } = {}) {
  const member = await seedTestUserAndToken({
    ...options,
    permissions: ['SETTINGS_SECURITY_VIEW'],
  });
  const secret = await giveFactor(member);
  const { userId, tenantId, sessionId: sid } = member;
  // The seeded token expires too early for a clock that moves by hours.
  const claims = { userId, tenantId, sid, sessionVersion: 1, degraded: false };
  const { accessToken: token } = deps.accessTokens.issue(claims);
  const code = (steps = 0) => codeAt(secret, clock.now(), steps);
  return { ...member, secret, token, code };
}

const verifiedOf = (staffId: string) =>
  db
    .select()
    .from(stepUpChallenges)
    .where(
      and(eq(stepUpChallenges.staffId, staffId), sql`${stepUpChallenges.verifiedAt} IS NOT NULL`),
    );

async function failuresOf(staffId: string, reason: string): Promise<number> {
  const rows = await db
    .select()
    .from(auditLogs)
    .where(and(eq(auditLogs.actor, staffId), eq(auditLogs.action, 'STEP_UP_FAILED')));
  return rows.filter(({ details }) => details['reason'] === reason).length;
}

describe('a code', () => {
  it('works once', async () => {
    const { token, code, staffId } = await seedMember();
    expect((await verify(token, code())).status).toBe(200);
    expect(outcome(await verify(token, code()))).toEqual([403, 'INVALID_CODE']);
    const elsewhere = await verify(token, code(), { purpose: 'security_settings' });
    expect(outcome(elsewhere)).toEqual([403, 'INVALID_CODE']);
    expect(await failuresOf(staffId, 'code_already_used')).toBe(2);
  });

  it('sent fifty times at once makes one proof, says so to all, and counts as no failure', async () => {
    const { token, code, staffId } = await seedMember();
    await askForProof(app, token, 'data_export');
    const answers = await Promise.all(Array.from({ length: 50 }, () => answer(token, code())));
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200));
    expect(await failuresOf(staffId, 'code_already_used')).toBe(0);
    expect(await verifiedOf(staffId)).toHaveLength(1);
  });

  it('works in one session among fifty uses at a time over ten sessions', async () => {
    const member = await seedMember();
    const tokens: string[] = [];
    for (let count = 0; count < 10; count += 1) tokens.push(await signIn(member));
    for (const token of tokens) await askForProof(app, token, 'data_export');
    const code = member.code();
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => answer(tokens[index % 10] ?? '', code)),
    );
    const verified = await verifiedOf(member.staffId);
    expect(verified).toHaveLength(1);
    // The session that gave the proof gets a 200 each time; all others fail.
    const passed = answers.filter(({ status }) => status === 200);
    expect(passed).toHaveLength(5);
  });

  it('of the step before or after is accepted, and none further away', async () => {
    const behind = await seedMember();
    expect((await verify(behind.token, behind.code(-2))).status).toBe(403);
    expect((await verify(behind.token, behind.code(-1))).status).toBe(200);
    const ahead = await seedMember();
    expect((await verify(ahead.token, ahead.code(2))).status).toBe(403);
    expect((await verify(ahead.token, ahead.code(1))).status).toBe(200);
  });

  it('of a phone that is ahead works once, also when its step has come, and takes no earlier one after it', async () => {
    const { token, code, staffId } = await seedMember();
    const ahead = code(1);
    expect((await verify(token, ahead)).status).toBe(200);
    expect((await verify(token, code())).status).toBe(403);
    clock.forward(30);
    expect((await verify(token, ahead)).status).toBe(403);
    expect(await failuresOf(staffId, 'code_already_used')).toBe(2);
    clock.forward(30);
    expect((await verify(token, code())).status).toBe(200);
  });

  it('is refused after one of a later step, and the later one is not after it', async () => {
    const { token, code, staffId } = await seedMember();
    expect((await verify(token, code())).status).toBe(200);
    expect((await verify(token, code(-1))).status).toBe(403);
    expect(await failuresOf(staffId, 'code_already_used')).toBe(1);
    clock.forward(30);
    expect((await verify(token, code())).status).toBe(200);
  });

  const inDigits = (zero: number) => (code: string) =>
    code.replace(/\d/g, (digit) => String.fromCodePoint(zero + Number(digit)));

  it.each<[string, (code: string) => string]>([
    ['with a space', (code) => code.replace(/^(...)/, '$1 ')],
    ['with a line break after it', (code) => `${code}\r\n`],
    ['with a tab before it', (code) => `\t${code}`],
    ['with a no-break space', (code) => code.replace(/^(...)/, '$1\u00a0')],
    ['with a narrow no-break space', (code) => code.replace(/^(...)/, '$1\u202f')],
    ['with a zero-width space', (code) => `\u200b${code}`],
    ['with marks of direction around it', (code) => `\u2066${code}\u2069`],
    ['with a hyphen', (code) => code.replace(/^(...)/, '$1-')],
    ['with an en dash', (code) => code.replace(/^(...)/, '$1\u2013')],
    ['with a minus sign', (code) => code.replace(/^(...)/, '$1\u2212')],
    ['in full-width digits', inDigits(0xff10)],
    ['in Arabic-Indic digits', inDigits(0x660)],
    ['in extended Arabic-Indic digits', inDigits(0x6f0)],
    ['in Devanagari digits', inDigits(0x966)],
    ['in mathematical digits', inDigits(0x1d7d8)],
  ])('may be typed or pasted %s', async (_how, write) => {
    const { token, code } = await seedMember();
    expect((await verify(token, write(code()))).status).toBe(200);
  });

  it.each([
    ['too short', '12345'],
    ['too long', '1234567'],
    ['empty', ''],
    ['letters', 'abcdef'],
    ['too short with a sign', '-12345'],
    ['too long in two scripts', '１２３４56٧'],
    ['nothing but format characters', '\u200b'.repeat(6)],
    ['longer than any code with all that may surround it', ' '.repeat(251) + '123456'],
    ['a letter that is a number', '12345²³'],
    ['an array', ['123456']],
    ['a number', 123456],
    ['null', null],
    ['an object', { length: 6 }],
  ])('that is %s is refused with 400 and takes no try', async (_name, code) => {
    const { token, staffId } = await seedMember();
    expect(outcome(await answer(token, code))).toEqual([400, 'INVALID_INPUT']);
    const challenges = await db
      .select()
      .from(stepUpChallenges)
      .where(eq(stepUpChallenges.staffId, staffId));
    expect(challenges).toEqual([]);
  });
});

describe('guessing', () => {
  it('ends a challenge after five tries, and a right code comes too late', async () => {
    const { token, code, secret } = await seedMember();
    const stopped = await request(server)
      .post('/api/compliance/export/bundle')
      .set('authorization', `Bearer ${token}`);
    const { challengeId } = stopped.body;
    const left: number[] = [];
    for (const wrong of wrongCodes(secret, clock.now(), 5)) {
      left.push((await verify(token, wrong, { challengeId })).body.attemptsLeft);
    }
    expect(left).toEqual([4, 3, 2, 1, 0]);
    const late = await verify(token, code(), { challengeId });
    expect(outcome(late)).toEqual([429, 'CHALLENGE_EXHAUSTED']);
  });

  it('five at a challenge holds for fifty at a time', async () => {
    const { token, secret, staffId } = await seedMember();
    await verify(token, wrongCodes(secret, clock.now(), 1)[0]);
    const wrong = wrongCodes(secret, clock.now(), 50);
    await Promise.all(wrong.map((code) => answer(token, code)));
    const rows = await db
      .select()
      .from(stepUpChallenges)
      .where(eq(stepUpChallenges.staffId, staffId));
    expect(Math.max(...rows.map(({ attempts }) => attempts))).toBe(5);
  });

  it('a thousand times over many challenges stays under the budget of the account', async () => {
    const { token, code, secret, staffId } = await seedMember();
    const guesses = wrongCodes(secret, clock.now(), 1000);
    const statuses = new Set<number>();
    for (let first = 0; first < guesses.length; first += 50) {
      await askForProof(app, token, 'data_export');
      const batch = guesses.slice(first, first + 50).map((guess) => answer(token, guess));
      for (const res of await Promise.all(batch)) statuses.add(res.status);
    }
    expect([...statuses].filter((status) => ![403, 404, 409, 429].includes(status))).toEqual([]);
    const evaluated = await failuresOf(staffId, 'wrong_code');
    expect(evaluated).toBeGreaterThanOrEqual(5);
    // Twenty challenges would allow a hundred tries. A lower number shows that the limit of the
    // account applies.
    expect(evaluated).toBeLessThanOrEqual(MOST_TRIES);
    const late = await verify(token, code());
    expect(outcome(late)).toEqual([429, 'TOO_MANY_ATTEMPTS']);
    expect(Number(late.headers['retry-after'])).toBeGreaterThan(0);
  });

  it('one after another is stopped in each window, and over all windows together', async () => {
    const { token, secret, staffId } = await seedMember();
    const perWindow: number[] = [];
    for (let window = 0; window < 11; window += 1) {
      const before = await failuresOf(staffId, 'wrong_code');
      await guessInTurn(token, wrongCodes(secret, clock.now(), 12));
      perWindow.push((await failuresOf(staffId, 'wrong_code')) - before);
      clock.forward(WINDOW_SEC + 1);
    }
    expect(Math.max(...perWindow)).toBe(10);
    expect(await failuresOf(staffId, 'wrong_code')).toBeLessThanOrEqual(MOST_EVALUATED);
  });

  it("does not spend a colleague's budget", async () => {
    const attacked = await seedMember();
    const colleague = await seedMember();
    await guessInTurn(attacked.token, wrongCodes(attacked.secret, clock.now(), 12));
    expect((await verify(attacked.token, attacked.code())).status).toBe(429);
    expect((await verify(colleague.token, colleague.code())).status).toBe(200);
  });

  it('is forgiven after a success', async () => {
    const { token, code, secret, staffId } = await seedMember();
    await guessInTurn(token, wrongCodes(secret, clock.now(), 9));
    expect((await verify(token, code())).status).toBe(200);
    await guessInTurn(token, wrongCodes(secret, clock.now(), 9));
    expect(await failuresOf(staffId, 'wrong_code')).toBe(18);
  });
});

describe('a secret at rest', () => {
  it('is sealed: its row holds it in no form', async () => {
    const { secret, staffId } = await seedMember();
    const [row] = await db.select().from(userTotp).where(eq(userTotp.staffId, staffId));
    const stored = row?.secretSealed.toString('latin1') ?? secret;
    expect(stored).not.toContain(secret);
    // Nonce, tag and the base32 text: nothing shorter could hold it, and nothing longer is needed.
    expect(stored).toHaveLength(12 + 16 + secret.length);
  });

  it.each(['the same tenant', 'another tenant'])(
    'does not open in the row of another member of %s: 503, no try taken, nobody is said to have failed',
    async (where) => {
      const victim = await seedMember();
      const { tenantId } = victim;
      const attacker = await seedMember(where === 'the same tenant' ? { tenantId } : {});
      await db.execute(sql`UPDATE user_totp SET secret_sealed =
        (SELECT secret_sealed FROM user_totp WHERE staff_id = ${attacker.staffId})
        WHERE staff_id = ${victim.staffId}`);
      for (const code of [attacker.code(), victim.code()]) {
        expect(outcome(await verify(victim.token, code))).toEqual([503, 'KEY_UNAVAILABLE']);
      }
      const { rows: failed } = await db.execute(
        sql`SELECT FROM audit_logs WHERE action = 'STEP_UP_FAILED' AND actor = ${victim.staffId}`,
      );
      expect(failed).toHaveLength(0);
      const { rows: tried } = await db.execute(
        sql`SELECT FROM step_up_challenges WHERE staff_id = ${victim.staffId} AND attempts > 0`,
      );
      expect(tried).toHaveLength(0);
    },
  );

  it('does not open once a bit of it was changed', async () => {
    const { token, code, staffId } = await seedMember();
    await db.execute(sql`UPDATE user_totp
      SET secret_sealed = set_bit(secret_sealed, 300, 1 - get_bit(secret_sealed, 300))
      WHERE staff_id = ${staffId}`);
    expect(outcome(await verify(token, code()))).toEqual([503, 'KEY_UNAVAILABLE']);
  });

  it('that does not open leaves the others of its owner in use, and guesses at those stay counted', async () => {
    const { token, code, staffId, secret } = await seedMember();
    await db.execute(sql`INSERT INTO user_totp (tenant_id, user_id, staff_id, secret_sealed, confirmed_at)
      SELECT tenant_id, user_id, staff_id, secret_sealed, confirmed_at FROM user_totp WHERE staff_id = ${staffId}`);
    const [guess = ''] = wrongCodes(secret, clock.now(), 1);
    expect(outcome(await verify(token, guess))).toEqual([503, 'KEY_UNAVAILABLE']);
    expect(await failuresOf(staffId, 'factor_unreadable')).toBe(1);
    expect((await verify(token, code())).status).toBe(200);
  });
});
