import { createPrivateKey } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import request from 'supertest';
import { codeAt } from '../helpers/stepUp/secondFactor';
import { ask } from '../helpers/database/askDatabase';
import { operateAsProcess } from '../helpers/server/commandProcess';
import { auditOf } from '../helpers/database/authRows';
import { MAY_ALL } from '../helpers/people/officer';
import { operate } from '../helpers/server/operatorCommand';
import type { CommandResult } from '../helpers/server/operatorCommand';
import { externalEnv, killServers, startServer } from '../helpers/server/serverProcess';
import { SEEDED_EMAIL, SEEDED_PASSWORD, SEEDED_TENANT } from '../helpers/testRun/seedTemplate';
import { createTestDatabase } from '../helpers/database/testDatabase';

const PASSWORD = 'correct horse battery staples';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;

const env = externalEnv();
const admin = (words: string[], stdin?: string) => operate(env, words, stdin);
/** Runs as a process of its own. It ends by itself, so nothing that it opened is left open. */
const adminProcess = (words: string[], stdin?: string) => operateAsProcess(env, words, stdin);
const staff = (command: string, email: string, tenant = SEEDED_TENANT) => [
  'staff',
  command,
  '--tenant',
  tenant,
  '--email',
  email,
];
const create = (email: string, ...more: string[]) => [
  ...staff('create', email),
  '--password-stdin',
  ...more,
];

/** Sends a request that needs a proof, and is refused. */
const askForProof = (url: string, accessToken: string) =>
  request(url)
    .post('/api/security/recovery-codes')
    .set('authorization', `Bearer ${accessToken}`)
    .expect(428);
const verify = (url: string, accessToken: string, code: string) =>
  request(url)
    .post('/api/security/step-up/verify')
    .set('authorization', `Bearer ${accessToken}`)
    .send({ code, purpose: 'security_settings' });

/** Expects one line of JSON, and no other output. */
function resultOf({ code, stdout, stderr }: CommandResult): Record<string, unknown> {
  expect({ code, stderr }).toStrictEqual({ code: 0, stderr: '' });
  expect(stdout.endsWith('\n')).toBe(true);
  expect(stdout.trimEnd()).not.toContain('\n');
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** Expects one sentence on stderr, nothing on stdout, and exit code 1. */
function complaintOf({ code, stdout, stderr }: CommandResult): string {
  expect({ code, stdout }).toStrictEqual({ code: 1, stdout: '' });
  expect(stderr.trimEnd()).not.toContain('\n');
  expect(stderr).not.toMatch(/\bat .+:\d+|select |insert /i);
  return stderr.trimEnd();
}

const logIn = (url: string, email: string, password: string) =>
  request(url).post('/api/auth/login').send({ email, password });
const me = (url: string, token: string) =>
  request(url).get('/api/auth/me').set('authorization', `Bearer ${token}`);

let url: string;

beforeAll(async () => {
  url = await startServer({ ...env, LOG_LEVEL: 'silent' }).url();
});

afterAll(killServers);

describe('tenant create', () => {
  it('makes a tenant and audits that an operator did', async () => {
    const { tenantId } = resultOf(
      await adminProcess(['tenant', 'create', '--slug', 'new', '--name', 'N']),
    );
    expect(tenantId).toMatch(UUID);
    const [event] = await auditOf('TENANT_CREATED', String(tenantId));
    expect(event?.details).toStrictEqual({ slug: 'new', via: 'operator' });
  });

  it.each([
    ['a slug that is taken', ['--slug', SEEDED_TENANT, '--name', 'N'], /A tenant with this slug/],
    ['a slug that is none', ['--slug', 'Not A Slug', '--name', 'N'], /^slug must be 1 to 63 of/],
    ['no name', ['--slug', 'nameless'], /^--name is missing\.$/],
    ['an option that nobody knows', ['--colour', 'red'], /--colour/],
  ])('refuses %s', async (_what, options, sentence) => {
    expect(complaintOf(await admin(['tenant', 'create', ...options]))).toMatch(sentence);
  });
});

describe('staff create', () => {
  it('reads the password from stdin, and that person can sign in and may what they were given', async () => {
    const email = 'made@example.com';
    const words = create(email, '--permissions', MAY_ALL.join());
    const run = await adminProcess(words, `${PASSWORD}\n`);
    const { userId, staffId, userCreated } = resultOf(run);
    expect({ userId, staffId, userCreated }).toStrictEqual({
      userId: expect.stringMatching(UUID),
      staffId: expect.stringMatching(UUID),
      userCreated: true,
    });
    expect(run.stdout).not.toContain(PASSWORD);
    const res = await logIn(url, email, PASSWORD);
    expect(res.status).toBe(200);
    const { body } = await me(url, res.body.accessToken);
    expect(body).toMatchObject({ userId, staffId, email, permissions: [...MAY_ALL].sort() });
  });

  it('with --totp gives a secret whose codes pass a step-up', async () => {
    const email = 'factor@example.com';
    const { totpSecret } = resultOf(await admin(create(email, '--totp'), PASSWORD));
    const { accessToken } = (await logIn(url, email, PASSWORD)).body;
    await askForProof(url, accessToken);
    const res = await verify(url, accessToken, codeAt(String(totpSecret), new Date()));
    expect(res.status).toBe(200);
    expect(res.body).toMatchObject({ verified: true, purpose: 'security_settings' });
  });

  it('refuses a short or common password, also with a second factor, and makes nobody', async () => {
    const email = 'short@example.com';
    expect(complaintOf(await adminProcess(create(email), 'fourteen chars'))).toBe(
      'The password must have at least 15 characters.',
    );
    expect(complaintOf(await admin(create(email, '--totp'), 'fourteen chars'))).toMatch(
      /at least 15/,
    );
    expect(complaintOf(await admin(create(email), 'passwordpassword'))).toMatch(
      /most commonly used/,
    );
    const people = `SELECT FROM users WHERE email = '${email}'`;
    expect(await ask(env['DATABASE_URL'] ?? '', people)).toHaveLength(0);
  });

  it.each([
    ['a common password', create('a@example.com'), 'passwordpassword', /most commonly used/],
    [
      'no --password-stdin',
      staff('create', 'a@example.com'),
      PASSWORD,
      /--password-stdin is missing/,
    ],
    ['no e-mail address', create('nobody'), PASSWORD, /^email must be an e-mail address/],
    [
      'a permission that is none',
      create('a@example.com', '--permissions', 'lower'),
      PASSWORD,
      /UPPER_SNAKE_CASE/,
    ],
    [
      'a permission that does not exist',
      create('a@example.com', '--permissions', 'SETTINGS_SECURITY_VEIW'),
      PASSWORD,
      /^There is no permission SETTINGS_SECURITY_VEIW\. The permissions are TENANT_STAFF_VIEW, /,
    ],
    [
      'somebody who is staff already',
      create(SEEDED_EMAIL),
      PASSWORD,
      /already staff of the tenant/,
    ],
    [
      'a tenant that does not exist',
      [...staff('create', 'a@example.com', 'nowhere'), '--password-stdin'],
      PASSWORD,
      /^There is no tenant 'nowhere'\.$/,
    ],
    [
      'a password on the command line',
      create('a@example.com', '--password', PASSWORD),
      '',
      /--password/,
    ],
  ])('refuses %s', async (_what, words, stdin, sentence) => {
    expect(complaintOf(await admin(words, stdin))).toMatch(sentence);
  });
});

describe('staff force-logout, enroll-totp and unlock', () => {
  it('force-logout refuses a live access token on a running server at its very next request', async () => {
    const { accessToken, refreshToken } = (await logIn(url, SEEDED_EMAIL, SEEDED_PASSWORD)).body;
    expect((await me(url, accessToken)).status).toBe(200);
    const result = resultOf(await admin(staff('force-logout', SEEDED_EMAIL.toUpperCase())));
    expect(result).toMatchObject({ forcedLogout: true, staffId: expect.stringMatching(UUID) });
    expect((await me(url, accessToken)).status).toBe(401);
    const refreshed = await request(url).post('/api/auth/refresh').send({ refreshToken });
    expect({ status: refreshed.status, ...refreshed.body }).toStrictEqual({
      status: 401,
      error: 'FORCE_LOGOUT',
      reason: 'force_logout',
    });
    const events = await auditOf('SESSION_INVALIDATED');
    expect(events.at(-1)?.details).toMatchObject({ reason: 'force_logout' });
  });

  it('enroll-totp replaces the factor: the old codes are refused and the new ones pass', async () => {
    const first = String(resultOf(await admin(staff('enroll-totp', SEEDED_EMAIL)))['totpSecret']);
    const second = String(resultOf(await admin(staff('enroll-totp', SEEDED_EMAIL)))['totpSecret']);
    expect(second).not.toBe(first);
    const { accessToken } = (await logIn(url, SEEDED_EMAIL, SEEDED_PASSWORD)).body;
    await askForProof(url, accessToken);
    expect((await verify(url, accessToken, codeAt(first, new Date()))).status).toBe(403);
    expect((await verify(url, accessToken, codeAt(second, new Date()))).status).toBe(200);
    // The event names the owner of the factor, although an operator was the actor.
    const subject = `staff:${(await me(url, accessToken)).body.staffId}`;
    const details = { factor: 'totp', via: 'operator', factorIds: [expect.stringMatching(UUID)] };
    const enrolled = { subject, details };
    expect((await auditOf('FACTOR_ENROLLED')).slice(-2)).toMatchObject([enrolled, enrolled]);
    expect(await auditOf('FACTOR_REMOVED')).toMatchObject([{ subject, details }]);
  });

  it('unlock lets a locked account in again', async () => {
    const email = 'locked@example.com';
    resultOf(await admin(create(email), PASSWORD));
    for (let failure = 0; failure < 10; failure += 1) await logIn(url, email, 'wrong');
    expect((await logIn(url, email, PASSWORD)).status).toBe(401);
    expect(resultOf(await admin(staff('unlock', email)))).toMatchObject({ unlocked: true });
    expect((await logIn(url, email, PASSWORD)).status).toBe(200);
  });

  it('unlock of a person who is not locked fails, and writes no event', async () => {
    const email = 'never-locked@example.com';
    resultOf(await admin(create(email), PASSWORD));
    const before = await auditOf('STAFF_UNLOCKED');
    expect(complaintOf(await admin(staff('unlock', email)))).toBe(`'${email}' is not locked.`);
    expect(await auditOf('STAFF_UNLOCKED')).toStrictEqual(before);
  });

  it.each(['force-logout', 'enroll-totp', 'unlock'])('%s refuses a stranger', async (command) => {
    expect(complaintOf(await admin(staff(command, 'stranger@example.com')))).toBe(
      `Tenant '${SEEDED_TENANT}' has no staff member 'stranger@example.com'.`,
    );
  });
});

describe('db migrate and db check', () => {
  it('check says what an empty database lacks, migrate brings it, and both say so', async () => {
    const { url: empty, drop } = await createTestDatabase('template1');
    const onEmpty = (words: string[]) => operateAsProcess(externalEnv(empty), words);
    expect(complaintOf(await onEmpty(['db', 'check']))).toBe(
      'No migration has been applied to this database: run `npm run --silent admin -- db migrate`.',
    );
    const { count: pending } = resultOf(await onEmpty(['db', 'pending']));
    expect(pending).toBeGreaterThan(0);

    expect(complaintOf(await onEmpty(staff('unlock', SEEDED_EMAIL)))).toMatch(/run `db migrate`/);
    expect(resultOf(await onEmpty(['db', 'migrate']))).toMatchObject({ applied: pending });
    expect(resultOf(await onEmpty(['db', 'migrate']))).toMatchObject({ applied: 0 });
    expect(resultOf(await onEmpty(['db', 'check']))).toStrictEqual({
      ok: true,
      migrations: { applied: pending, pending: 0, pendingTags: [], problems: [] },
      schema: { ok: true, missing: [] },
      findings: [],
    });
    await drop();
  });

  it('says in one sentence that the database is out of reach, without its password', async () => {
    const gone = operateAsProcess(externalEnv('postgres://u:hidden@127.0.0.1:1/x'), [
      'db',
      'check',
    ]);
    expect(complaintOf(await gone)).toMatch(
      /^The database server 127\.0\.0\.1:1 cannot be reached: nothing listens on that port\./,
    );
  });
});

describe('keys generate and totp code', () => {
  it('keys generate prints a set that a server starts with', async () => {
    const keys = resultOf(await admin(['keys', 'generate'])) as Record<string, string>;
    expect(createPrivateKey(keys['JWT_SIGNING_KEY'] ?? '').asymmetricKeyType).toBe('ec');
    expect(createPrivateKey(keys['EVIDENCE_SIGNING_KEY'] ?? '').asymmetricKeyType).toBe('ed25519');
    const again = resultOf(await admin(['keys', 'generate']));
    for (const [name, value] of Object.entries(keys)) expect(again[name]).not.toBe(value);
    // This needs a database of its own, because one that was written with other keys refuses these.
    const { url, drop } = await createTestDatabase('template1');
    const server = startServer({ ...env, ...keys, DATABASE_URL: url, LOG_LEVEL: 'silent' });
    expect((await request(await server.url()).get('/health/ready')).status).toBe(200);
    server.signal('SIGTERM');
    await server.exited;
    await drop();
  });

  it('totp code prints the code of this moment, and needs no database', async () => {
    const secret = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';
    const before = codeAt(secret, new Date());
    const run = await operate({}, ['totp', 'code', '--secret', secret]);
    expect([before, codeAt(secret, new Date())]).toContain(resultOf(run)['code']);
  });
});

describe('in embedded mode', () => {
  it('works on the running server’s database, and starts and stops one where none runs', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-admin-'));
    chmodSync(folder, 0o711);
    const embedded = {
      NODE_ENV: 'test',
      GATEHOUSE_DATA_DIR: join(folder, 'data'),
      LOG_LEVEL: 'silent',
    };
    try {
      const tenant = ['tenant', 'create', '--slug', 'first', '--name', 'First'];
      const { tenantId } = resultOf(await operateAsProcess(embedded, tenant));
      const server = startServer(embedded);
      const running = await server.url();
      const words = [
        'staff',
        'create',
        '--tenant',
        'first',
        '--email',
        'a@b.c',
        '--password-stdin',
      ];
      expect(resultOf(await operate(embedded, words, PASSWORD))).toMatchObject({ tenantId });
      expect((await logIn(running, 'a@b.c', PASSWORD)).status).toBe(200);
      server.signal('SIGTERM');
      expect(await server.exited).toBe(0);
      expect(resultOf(await operate(embedded, ['db', 'check']))).toMatchObject({ ok: true });
    } finally {
      rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    }
  });
});
