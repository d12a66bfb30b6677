import type { Express } from 'express';
import { and, desc, eq } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { auditLogs, knownCountries, knownDevices } from '@/server/db/schema';
import { WAITS_FOR_LOCK, ask, withConnection } from '@/tests/helpers/database/askDatabase';
import { withoutTable } from '@/tests/helpers/database/authRows';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { codeAt } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';
import { ABROAD, HOME, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';

const clock = createMovableClock();
const { app, deps } = buildApp({}, { clock });
const { databaseUrl } = deps.config;

const DAY_SEC = 86_400;
const SAME_DEVICE_ABROAD = { ...HOME, 'x-forwarded-for': ABROAD['x-forwarded-for'] };
const NEW_DEVICE_AT_HOME = { ...HOME, 'user-agent': 'A new telephone' };

interface Scored {
  status: number;
  score: number;
  reasons: string[];
}

/** Logs in and reads what the score was: from the 428, or from the event of the login. */
async function scoreOf(
  who: { email: string; password: string; staffId: string },
  from: Record<string, string>,
  at: Express = app,
): Promise<Scored> {
  const res = await attemptLogin(at, who, from);
  if (res.status === 428) {
    return { status: 428, score: res.body.score, reasons: res.body.reasons };
  }
  const [event] = await db
    .select()
    .from(auditLogs)
    .where(and(eq(auditLogs.actor, who.staffId), eq(auditLogs.action, 'AUTH_LOGIN_SUCCEEDED')))
    .orderBy(desc(auditLogs.id))
    .limit(1);
  const { score, reasons } = event?.details as { score: number; reasons: string[] };
  return { status: res.status, score, reasons };
}

async function knowledgeOf(staffId: string) {
  const devices = await db.select().from(knownDevices).where(eq(knownDevices.staffId, staffId));
  const countries = await db
    .select()
    .from(knownCountries)
    .where(eq(knownCountries.staffId, staffId));
  return { devices: devices.length, countries: countries.map(({ country }) => country).sort() };
}

const CALM = { status: 200, score: 0, reasons: [] };

describe('a login is scored', () => {
  it('0 for the first one of a new member, wherever it comes from', async () => {
    expect(await scoreOf(await seedTestUserAndToken(), ABROAD)).toEqual(CALM);
  });

  it('0 on a known device in a known country', async () => {
    expect(await scoreOf(await seedTraveller(app), HOME)).toEqual(CALM);
  });

  it('25 on a new device', async () => {
    const scored = await scoreOf(await seedTraveller(app), NEW_DEVICE_AT_HOME);
    expect(scored).toEqual({ status: 200, score: 25, reasons: ['NEW_DEVICE'] });
  });

  it('35 from a new country that could have been reached meanwhile', async () => {
    const traveller = await seedTraveller(app);
    clock.forward(2 * DAY_SEC);
    const scored = await scoreOf(traveller, SAME_DEVICE_ABROAD);
    expect(scored).toEqual({ status: 200, score: 35, reasons: ['NEW_COUNTRY'] });
  });

  it('60 from a country that could not, and stopped', async () => {
    const scored = await scoreOf(await seedTraveller(app), SAME_DEVICE_ABROAD);
    const reasons = ['NEW_COUNTRY', 'IMPOSSIBLE_TRAVEL'];
    expect(scored).toEqual({ status: 428, score: 60, reasons });
  });

  it('60 on a new device in a new country, and stopped', async () => {
    const traveller = await seedTraveller(app);
    clock.forward(2 * DAY_SEC);
    const scored = await scoreOf(traveller, ABROAD);
    expect(scored).toEqual({ status: 428, score: 60, reasons: ['NEW_DEVICE', 'NEW_COUNTRY'] });
  });

  it('25 back in a known country that could not be reached, and let in', async () => {
    const traveller = await seedTraveller(app);
    clock.forward(2 * DAY_SEC);
    await scoreOf(traveller, SAME_DEVICE_ABROAD);
    const scored = await scoreOf(traveller, HOME);
    expect(scored).toEqual({ status: 200, score: 25, reasons: ['IMPOSSIBLE_TRAVEL'] });
  });

  it.each([
    [2, []],
    [3, ['FAILED_ATTEMPTS']],
    [7, ['FAILED_ATTEMPTS']],
    [8, ['FAILED_ATTEMPTS_MANY']],
  ])('by the wrong passwords before it: %i of them make %p', async (failures, reasons) => {
    const traveller = await seedTraveller(app);
    for (let count = 0; count < failures; count += 1) {
      const res = await attemptLogin(app, { ...traveller, password: 'a wrong guess' }, HOME);
      expect(res.status).toBe(401);
    }
    expect((await scoreOf(traveller, HOME)).reasons).toEqual(reasons);
    // A login that succeeded wipes the slate.
    expect((await scoreOf(traveller, HOME)).reasons).toEqual([]);
  });

  it('without regard to X-Forwarded-For where no proxy is trusted', async () => {
    const { app: direct } = buildApp({ trustProxy: false }, { clock });
    const traveller = await seedTraveller(app);
    expect(await scoreOf(traveller, SAME_DEVICE_ABROAD, direct)).toEqual(CALM);
    expect((await knowledgeOf(traveller.staffId)).countries).toEqual(['GB']);
  });

  it('with the same country for an IPv4 address that arrives on an IPv6 socket', async () => {
    const traveller = await seedTraveller(app);
    const mapped = { ...HOME, 'x-forwarded-for': `::ffff:${ABROAD['x-forwarded-for']}` };
    expect((await scoreOf(traveller, mapped)).reasons).toContain('NEW_COUNTRY');
  });
});

describe('what is known of a member', () => {
  it('is learned from a login that succeeded, and counts at the very next one', async () => {
    const traveller = await seedTraveller(app);
    expect((await scoreOf(traveller, NEW_DEVICE_AT_HOME)).score).toBe(25);
    expect(await scoreOf(traveller, NEW_DEVICE_AT_HOME)).toEqual(CALM);
    clock.forward(2 * DAY_SEC);
    expect((await scoreOf(traveller, SAME_DEVICE_ABROAD)).score).toBe(35);
    expect(await scoreOf(traveller, SAME_DEVICE_ABROAD)).toEqual(CALM);
    expect((await knowledgeOf(traveller.staffId)).countries).toEqual(['GB', 'JP']);
  });

  it('is not learned from a wrong password', async () => {
    const traveller = await seedTraveller(app);
    const before = await knowledgeOf(traveller.staffId);
    await attemptLogin(app, { ...traveller, password: 'a wrong guess' }, ABROAD);
    expect(await knowledgeOf(traveller.staffId)).toEqual(before);
  });

  it('is not learned from a login that was stopped, but from the one that a proof let in', async () => {
    const traveller = await seedTraveller(app);
    const before = await knowledgeOf(traveller.staffId);
    const stopped = await attemptLogin(app, traveller, ABROAD);
    expect(stopped.status).toBe(428);
    expect(await knowledgeOf(traveller.staffId)).toEqual(before);
    clock.forward(60);
    expect((await scoreOf(traveller, ABROAD)).status).toBe(428);
    const { challengeId } = stopped.body;
    const code = codeAt(traveller.secret, clock.now());
    const proof = { code, purpose: 'security_settings', challengeId };
    await request(app).post('/api/security/step-up/verify').send(proof).expect(200);
    expect((await attemptLogin(app, traveller, ABROAD, { challengeId })).status).toBe(200);
    expect((await knowledgeOf(traveller.staffId)).countries).toEqual(['GB', 'JP']);
    clock.forward(16 * 60);
    expect(await scoreOf(traveller, ABROAD)).toEqual(CALM);
  });

  it('is known per membership: a colleague on the same device is not', async () => {
    const traveller = await seedTraveller(app);
    const colleague = await seedTraveller(app, { tenantId: traveller.tenantId });
    await scoreOf(traveller, NEW_DEVICE_AT_HOME);
    expect((await scoreOf(colleague, NEW_DEVICE_AT_HOME)).score).toBe(25);
  });

  it('tells a device by its signed cookie, whatever its browser calls itself', async () => {
    const member = await seedTestUserAndToken();
    const { email, password } = member;
    const browser = request.agent(app);
    const signIn = (agent: string) =>
      browser
        .post('/api/auth/login')
        .set({ ...HOME, 'user-agent': agent })
        .send({ email, password });
    const first = await signIn('Browser 1.0');
    expect(first.status).toBe(200);
    expect((await signIn('Browser 2.0, updated over night')).status).toBe(200);
    expect(
      await scoreOf(member, { ...HOME, 'user-agent': 'Browser 2.0, updated over night' }),
    ).toEqual(CALM);
    // The id alone, which may have been seen, is no device without the signature over it.
    const [cookie = ''] = first.get('Set-Cookie')?.map((set) => set.split(';')[0] ?? '') ?? [];
    expect(cookie).toMatch(/^gh_device=[\w-]{22}\.[\w-]{22}$/);
    const forged = { ...NEW_DEVICE_AT_HOME, cookie: cookie.replace(/\..*/, `.${'A'.repeat(22)}`) };
    expect((await scoreOf(member, forged)).reasons).toEqual(['NEW_DEVICE']);
    expect(await scoreOf(member, { ...HOME, 'user-agent': 'Another one', cookie })).toEqual(CALM);
  });
});

describe('scoring that cannot look', () => {
  // Of their own: what fails again and again is not asked for a while.
  let hurried: Express;
  beforeEach(() => {
    ({ app: hurried } = buildApp({ anomalyTimeoutMs: 250 }, { clock }));
  });

  const SKIPPED = { status: 200, score: 0, reasons: ['ANOMALY_CHECK_SKIPPED'] };

  async function skippedCauses(staffId: string): Promise<unknown[]> {
    const rows = await db
      .select()
      .from(auditLogs)
      .where(and(eq(auditLogs.actor, staffId), eq(auditLogs.action, 'ANOMALY_CHECK_SKIPPED')));
    return rows.map(({ details }) => details['cause']);
  }

  it.each(['known_devices', 'known_countries'])(
    'lets the login in while %s is locked, by its own deadline',
    async (table) => {
      const traveller = await seedTraveller(app);
      await withConnection(databaseUrl, async (client) => {
        await client.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
        expect(await scoreOf(traveller, HOME, hurried)).toEqual(SKIPPED);
        await client.query('ROLLBACK');
      });
      expect(await skippedCauses(traveller.staffId)).toStrictEqual(['timeout']);
      expect(await scoreOf(traveller, HOME)).toEqual(CALM);
    },
  );

  it('holds none of the connections that other requests need, however many logins wait for it', async () => {
    const travellers = [await seedTraveller(app), await seedTraveller(app)];
    const { app: waiting } = buildApp({ anomalyTimeoutMs: 60_000, databasePoolSize: 2 }, { clock });
    const { accessToken } = (await attemptLogin(app, await seedTraveller(app), HOME))
      .body as SeededAuth;
    const whoAmI = () =>
      request(waiting).get('/api/auth/me').set('authorization', `Bearer ${accessToken}`);
    await withConnection(databaseUrl, async (client) => {
      await client.query('BEGIN; LOCK TABLE known_countries IN ACCESS EXCLUSIVE MODE');
      const logins = Promise.all(
        travellers.flatMap((traveller) =>
          Array.from({ length: 10 }, () => attemptLogin(waiting, traveller, HOME)),
        ),
      );
      await pollUntil(
        'the scorer waits with all that it has',
        () => ask(databaseUrl, WAITS_FOR_LOCK),
        (waits) => waits.length > 1,
      );
      const answers = await Promise.all(Array.from({ length: 20 }, whoAmI));
      expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
      await client.query('ROLLBACK');
      expect((await logins).map(({ status }) => status)).toEqual(Array(20).fill(200));
    });
  });

  it.each(['known_devices', 'known_countries'])(
    'lets the login in while %s does not exist',
    async (table) => {
      const traveller = await seedTraveller(app);
      const { app: patient } = buildApp({}, { clock });
      await withoutTable(table, async () => {
        expect(await scoreOf(traveller, ABROAD, patient)).toEqual(SKIPPED);
      });
      expect(await skippedCauses(traveller.staffId)).toEqual(['error']);
    },
  );
});
