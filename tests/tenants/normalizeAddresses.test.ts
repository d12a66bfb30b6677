import { randomUUID } from 'node:crypto';
import { eq } from 'drizzle-orm';
import { hash } from 'argon2';
import { loadConfig, requireReady } from '@/server/config';
import { runMaintenance } from '@/server/bootstrap/maintenance';
import { db } from '@/server/db';
import { tenantStaff, users } from '@/server/db/schema';
import { normalizeAddresses } from '@/server/tenants';
import { login } from '@/tests/helpers/http/authCalls';
import { auditOf } from '@/tests/helpers/database/authRows';
import { operate } from '@/tests/helpers/server/operatorCommand';
import { openNode, operatorContext } from '@/tests/helpers/server/openNode';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { externalEnv, killServers, startServer } from '@/tests/helpers/server/serverProcess';

const { app, deps } = openNode();
const other = openNode();
const env = externalEnv();
afterEach(killServers);

const unique = () => randomUUID().slice(0, 8);

const run = (node = deps) => normalizeAddresses(node, operatorContext, 'bootstrap');

async function rowOf(userId: string) {
  const [row] = await db.select().from(users).where(eq(users.id, userId));
  return { email: row?.email, normalized: row?.emailNormalized };
}

const passwordHashes = new Map<string, string>();

/**
 * Stores another person of a tenant as an earlier release did: with the address as it was typed.
 */
async function storePerson(tenantId: string, email: string, password: string) {
  const [userId, staffId] = [randomUUID(), randomUUID()];
  const { memoryKib: memoryCost, timeCost } = requireReady(loadConfig()).argon2;
  const passwordHash =
    passwordHashes.get(password) ??
    (await hash(password, { memoryCost, timeCost, parallelism: 1 }));
  passwordHashes.set(password, passwordHash);
  await db.insert(users).values({ id: userId, email, passwordHash });
  await db.insert(tenantStaff).values({ id: staffId, tenantId, userId });
  return { tenantId, userId, staffId, email, password };
}

const collisions = async () => {
  const { code, stdout, stderr } = await operate(env, ['users', 'collisions']);
  expect({ code, stderr }).toStrictEqual({ code: 0, stderr: '' });
  return (JSON.parse(stdout) as { collisions: Record<string, unknown>[] }).collisions;
};

describe('an address that an earlier release stored as it was typed', () => {
  it('is brought into its normal form, recorded in each tenant, and signs in by every spelling', async () => {
    const name = unique();
    const ann = await seedTestUserAndToken({ email: `${name}@münchen.example` });
    const second = await seedTestUserAndToken();
    await db
      .insert(tenantStaff)
      .values({ id: randomUUID(), tenantId: second.tenantId, userId: ann.userId });
    await run();
    expect(await rowOf(ann.userId)).toStrictEqual({
      email: `${name}@xn--mnchen-3ya.example`,
      normalized: true,
    });
    for (const tenantId of [ann.tenantId, second.tenantId]) {
      expect(await auditOf('STAFF_EMAIL_CHANGED', tenantId)).toMatchObject([
        { actor: 'system', details: { change: 'normalized', via: 'bootstrap' } },
      ]);
    }
    const tenant = ann.tenantSlug;
    for (const email of [
      `${name}@münchen.example`,
      ` ${name.toUpperCase()}@MÜNCHEN.EXAMPLE `,
      `${name}@xn--mnchen-3ya.example`,
      `${name}@mu\u0308nchen.example`,
    ]) {
      const res = await login(app, {
        email,
        password: ann.password,
        tenant: ` ${tenant.toUpperCase()} `,
      });
      expect([email, res.status]).toStrictEqual([email, 200]);
    }
  });

  it('is changed once by two nodes at the same time', async () => {
    const people = await Promise.all(
      Array.from({ length: 5 }, () =>
        seedTestUserAndToken({ email: `${unique()}@bücher.example` }),
      ),
    );
    await Promise.all([run(), run(other.deps), run(), run(other.deps)]);
    for (const { userId, tenantId, email } of people) {
      const normal = email.replace('bücher', 'xn--bcher-kva');
      expect(await rowOf(userId)).toStrictEqual({ email: normal, normalized: true });
      expect(await auditOf('STAFF_EMAIL_CHANGED', tenantId)).toHaveLength(1);
    }
  });

  it('is found by the hourly housekeeping too: an old node may have stored it since the start', async () => {
    const late = await seedTestUserAndToken({ email: `${unique()}@köln.example` });
    await runMaintenance(deps);
    expect((await rowOf(late.userId)).normalized).toBe(true);
  });

  it('that is in its normal form is marked, and nothing is recorded', async () => {
    const ann = await seedTestUserAndToken();
    await run();
    expect(await rowOf(ann.userId)).toStrictEqual({ email: ann.email, normalized: true });
    expect(await auditOf('STAFF_EMAIL_CHANGED', ann.tenantId)).toStrictEqual([]);
  });
});

describe('two people with the same address in two spellings', () => {
  async function seedTwins() {
    const name = unique();
    const owner = await seedTestUserAndToken({ email: `${name}@xn--mnchen-3ya.example` });
    const twin = await storePerson(
      owner.tenantId,
      `${name}@münchen.example`,
      'the password of the twin',
    );
    await run();
    return { name, owner, twin };
  }

  it('are never merged: only the one in the normal form signs in, by any spelling', async () => {
    const { owner, twin } = await seedTwins();
    expect(await rowOf(twin.userId)).toStrictEqual({ email: twin.email, normalized: false });
    for (const email of [owner.email, twin.email]) {
      expect((await login(app, { email, password: owner.password })).status).toBe(200);
      expect((await login(app, { email, password: twin.password })).status).toBe(401);
    }
  });

  it('are listed for the operator, who renames one; then both sign in', async () => {
    const { owner, twin, name } = await seedTwins();
    const listed = (await collisions()).filter(({ userId }) => userId === twin.userId);
    expect(listed).toStrictEqual([
      {
        userId: twin.userId,
        email: twin.email,
        normalForm: owner.email,
        sameAs: [owner.userId],
        memberships: [{ tenant: owner.tenantSlug, staffId: twin.staffId, status: 'active' }],
      },
    ]);
    const set = [
      'staff',
      'set-email',
      '--tenant',
      owner.tenantSlug,
      '--staff',
      twin.staffId,
      '--to',
    ];
    const taken = await operate(env, [...set, owner.email]);
    expect([taken.code, taken.stderr]).toStrictEqual([
      1,
      'Another person has this address already.\n',
    ]);
    const renamed = await operate(env, [...set, `${name}.TWIN@münchen.example`]);
    const after = `${name}.twin@xn--mnchen-3ya.example`;
    expect(JSON.parse(renamed.stdout)).toMatchObject({ before: twin.email, after });
    expect(await auditOf('STAFF_EMAIL_CHANGED', owner.tenantId)).toMatchObject([
      { subject: `staff:${twin.staffId}`, details: { change: 'renamed', via: 'operator' } },
    ]);
    expect((await login(app, { email: after, password: twin.password })).status).toBe(200);
    expect((await login(app, { email: owner.email, password: owner.password })).status).toBe(200);
    expect((await collisions()).filter(({ userId }) => userId === twin.userId)).toStrictEqual([]);
  });

  it('none of which is in the normal form both stay: chance must not choose who owns the address', async () => {
    const name = unique();
    const first = await seedTestUserAndToken({ email: `${name}@münchen.example` });
    const second = await storePerson(
      first.tenantId,
      `${name}@mu\u0308nchen.example`,
      'the second password',
    );
    await run();
    for (const { userId, email } of [first, second]) {
      expect(await rowOf(userId)).toStrictEqual({ email, normalized: false });
    }
    const listed = (await collisions()).filter(({ userId }) => userId === first.userId);
    expect(listed).toMatchObject([{ sameAs: [second.userId] }]);
  });

  it('cannot come about: no spelling of a stored address makes a second person', async () => {
    const name = unique();
    const { tenantSlug } = await seedTestUserAndToken();
    const create = (email: string) =>
      operate(
        env,
        ['staff', 'create', '--tenant', tenantSlug, '--email', email, '--password-stdin'],
        'correct horse battery staples\n',
      );
    expect((await create(`${name}é@münchen.example`)).code).toBe(0);
    for (const spelling of [
      `${name}e\u0301@xn--mnchen-3ya.example`,
      `${name.toUpperCase()}É@mu\u0308nchen.example`,
    ]) {
      const again = await create(spelling);
      expect([again.code, again.stderr]).toStrictEqual([
        1,
        'This person is already staff of the tenant.\n',
      ]);
    }
    const rows = await db
      .select()
      .from(users)
      .where(eq(users.email, `${name}é@xn--mnchen-3ya.example`));
    expect(rows).toMatchObject([{ emailNormalized: true }]);
  });
});

it('a server brings the stored addresses into their normal form before it lets anybody in', async () => {
  const ann = await seedTestUserAndToken({ email: `${unique()}@zürich.example` });
  const server = startServer(env);
  await server.url();
  server.signal('SIGTERM');
  await server.exited;
  expect((await rowOf(ann.userId)).normalized).toBe(true);
});

it('an address that no mail can reach is refused by the API, and by the CLI in one sentence', async () => {
  const { tenantSlug } = await seedTestUserAndToken();
  for (const email of ['a@b@example.com', 'ann@127.0.0.1', 'a\u200bnn@example.com', 'ann@a..b']) {
    const res = await login(app, { email, password: 'x' });
    expect([res.status, res.body.error]).toStrictEqual([400, 'INVALID_INPUT']);
    const made = await operate(
      env,
      ['staff', 'create', '--tenant', tenantSlug, '--email', email, '--password-stdin'],
      'correct horse battery staples\n',
    );
    expect(made).toMatchObject({
      code: 1,
      stderr: 'email must be an e-mail address that can receive mail.\n',
    });
  }
});
