import request from 'supertest';
import { ask } from '../helpers/database/askDatabase';
import { closeLater } from '../helpers/server/closing';
import { startMailServer } from '../helpers/mail/mailServer';
import type { MailServer } from '../helpers/mail/mailServer';
import { operate } from '../helpers/server/operatorCommand';
import { startPgBouncer } from '../helpers/database/pgBouncer';
import type { BouncerSettings } from '../helpers/database/pgBouncer';
import { pollUntil } from '../helpers/time/pollUntil';
import { readZip } from '../helpers/evidence/readZip';
import { SEEDED_EMAIL, SEEDED_PASSWORD, seedTemplate } from '../helpers/testRun/seedTemplate';
import { externalEnv, killServers, startServer } from '../helpers/server/serverProcess';
import { createTestDatabase } from '../helpers/database/testDatabase';

const direct = process.env['DATABASE_URL'] ?? '';

// A range of this day, so that the bundle contains the logins below.
const today = new Date().toISOString().slice(0, 10);

afterEach(killServers);

const WAYS: [string, BouncerSettings][] = [
  ['session', { pool_mode: 'session', default_pool_size: 40 }],
  ['transaction', { pool_mode: 'transaction', default_pool_size: 20 }],
];

const sealedAll = (url: string) =>
  pollUntil(
    'all events are sealed',
    () =>
      ask<{ left: number }>(
        url,
        'SELECT (SELECT count(*) FROM audit_logs)::int - (SELECT count(*) FROM audit_leaves)::int AS left',
      ),
    ([row]) => row?.left === 0,
    40_000,
  );

/** Creates a database without tables, with another time zone. It is dropped after the file. */
async function makeEmptyDatabase(): Promise<string> {
  const { url, drop } = await createTestDatabase('template1');
  closeLater(drop);
  await ask(url, `ALTER DATABASE ${new URL(url).pathname.slice(1)} SET timezone = 'Asia/Tokyo'`);
  return url;
}

/**
 * Starts a server behind PgBouncer that first has to migrate. Then there is a member who may
 * export.
 */
async function startOnEmptyDatabase(settings: BouncerSettings, mails: MailServer) {
  const database = await makeEmptyDatabase();
  const { url: pooled } = await startPgBouncer(database, settings);
  const { smtp } = mails.settings();
  const env = {
    ...externalEnv(pooled),
    ...{ LOG_LEVEL: 'info', MIGRATE_ON_BOOT: 'true' },
    ...{ SMTP_URL: `smtp://127.0.0.1:${smtp?.port}`, MAIL_FROM: 'gatehouse@id.example' },
  };
  const node = startServer(env);
  const url = await node.url();
  await seedTemplate(database);
  await ask(database, `UPDATE tenant_staff SET permissions = '{SETTINGS_SECURITY_VIEW}'`);
  return { database, env, node, url };
}

type Bearer = Record<'authorization', string>;

const requestBundle = (url: string, bearer: Bearer) =>
  request(url)
    .post('/api/compliance/export/bundle')
    .set(bearer)
    .send({ from: today, to: today, format: 'csv' });

/** Gives the proof for an export, with a code that is mailed. */
async function proveByMail(url: string, bearer: Bearer, mails: MailServer): Promise<void> {
  const asked = await requestBundle(url, bearer);
  expect([asked.status, asked.body.methods]).toStrictEqual([428, ['email']]);
  const about = { purpose: 'data_export', challengeId: asked.body.challengeId as string };
  const started = await request(url)
    .post('/api/security/step-up/start')
    .set(bearer)
    .send({ ...about, method: 'email' });
  expect([started.status, started.body.sent]).toStrictEqual([200, true]);
  const { text } = await mails.mailTo(SEEDED_EMAIL);
  const [, code] = /^ {2}(\d{6})$/m.exec(text) ?? [];
  const verify = request(url).post('/api/security/step-up/verify').set(bearer);
  expect((await verify.send({ ...about, code })).body).toMatchObject({ verified: true });
}

async function exportBundle(url: string, bearer: Bearer): Promise<Map<string, Buffer>> {
  const bundle = await requestBundle(url, bearer).buffer(true).responseType('blob');
  expect(bundle.status).toBe(200);
  return readZip(bundle.body as Buffer);
}

describe.each(WAYS)('a server behind PgBouncer in %s mode', (mode, settings) => {
  it('migrates, signs in, refreshes, serves a crowd, mails, takes a step-up, seals and exports as without, in UTC', async () => {
    const mails = await startMailServer();
    const { database, env, node, url } = await startOnEmptyDatabase(settings, mails);
    expect(node.stdout()).toContain(`"code":"DATABASE_POOLER","mode":"${mode}"`);
    const login = await request(url)
      .post('/api/auth/login')
      .send({ email: SEEDED_EMAIL, password: SEEDED_PASSWORD });
    expect(login.status).toBe(200);
    const bearer = { authorization: `Bearer ${login.body.accessToken}` };
    const crowd = await Promise.all(
      Array.from({ length: 100 }, (_, n) =>
        request(url)
          .get(n % 2 ? '/api/auth/me' : '/api/auth/sessions')
          .set(bearer),
      ),
    );
    expect([...new Set(crowd.map(({ status }) => status))]).toStrictEqual([200]);
    const { refreshToken } = login.body;
    const refreshed = await request(url).post('/api/auth/refresh').send({ refreshToken });
    expect(refreshed.status).toBe(200);
    await proveByMail(url, bearer, mails);
    await sealedAll(database);
    const files = await exportBundle(url, bearer);
    const log = String(files.get('audit-log.csv'));
    // Dated by UTC, whatever the database's time zone.
    expect(log).toContain(`${new Date().toISOString().slice(0, 13)}:`);
    expect((await request(url).get('/health/ready')).status).toBe(200);
    const check = await operate(env, ['db', 'check']);
    expect([check.code, check.stderr]).toStrictEqual([0, '']);
  });
});

it('a server whose DATABASE_URL has a parameter that PgBouncer refuses says which, and what to do', async () => {
  const { url } = await startPgBouncer(direct, { pool_mode: 'transaction' });
  const node = startServer(externalEnv(`${url}?options=-c%20jit%3Doff`));
  expect(await node.exited).toBe(1);
  expect(node.stderr()).toBe(
    'The pooler in front of the database refuses the startup parameter options: remove it from DATABASE_URL, or add it to ignore_startup_parameters of the pooler.\n',
  );
});

describe('a DATABASE_POOLER that is not what PgBouncer does', () => {
  const POOLS_STATEMENTS =
    'The pooler in front of the database pools single statements and refuses transactions: set its pool_mode to transaction or session.';
  const CASES: [string, string, RegExp][] = [
    [
      'none',
      'transaction',
      /^The pooler in front of the database refuses the startup parameter \S+, which Gatehouse sends only if DATABASE_POOLER says that there is no pooler: set DATABASE_POOLER=auto\.\n$/,
    ],
    ['transaction', 'statement', new RegExp(`^${POOLS_STATEMENTS}\n$`)],
  ];

  it.each(CASES.flatMap((one) => [['enforce', ...one] as const, ['warn', ...one] as const]))(
    'refuses the start in one sentence about the pooler, not the schema: SCHEMA_GUARD=%s, %s at pool_mode=%s',
    async (guard, said, mode, sentence) => {
      const { url } = await startPgBouncer(direct, { pool_mode: mode });
      const node = startServer({
        ...externalEnv(url),
        DATABASE_POOLER: said,
        SCHEMA_GUARD: guard,
        LOG_LEVEL: 'info',
      });
      expect(await node.exited).toBe(1);
      expect(node.stderr()).toMatch(sentence);
      expect(node.stdout()).not.toContain('the schema could not be checked');
    },
  );
});
