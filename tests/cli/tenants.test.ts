import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { and, eq, isNull } from 'drizzle-orm';
import { app } from '@/server/app';
import { db } from '@/server/db';
import { refreshTokens, tenantStaff, userSessions, users } from '@/server/db/schema';
import { withConnection } from '@/tests/helpers/database/askDatabase';
import { auditOf } from '@/tests/helpers/database/authRows';
import { login, me, refresh } from '@/tests/helpers/http/authCalls';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { openNode } from '@/tests/helpers/server/openNode';
import { operate } from '@/tests/helpers/server/operatorCommand';
import { REPOSITORY, WORKING_FOLDER, externalEnv } from '@/tests/helpers/server/serverProcess';
import { pollUntil } from '@/tests/helpers/time/pollUntil';

const env = externalEnv();
const tenant = (command: string, ...words: string[]) => operate(env, ['tenant', command, ...words]);

/** Runs a command that succeeds. @returns its answer */
async function done(command: string, ...words: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await tenant(command, ...words);
  expect([code, stderr]).toStrictEqual([0, '']);
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** Runs a command that fails. @returns its sentence */
async function refused(command: string, ...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await tenant(command, ...words);
  expect([code, stdout]).toStrictEqual([1, '']);
  return stderr.trimEnd();
}

describe('the life of a tenant', () => {
  it('is shown, renamed, suspended, restored and deleted by its slug, each with its ticket', async () => {
    const { tenantId, tenantSlug, token } = await seedTestUserAndToken();
    const named = ['--tenant', tenantSlug];
    const ticket = ['--ticket', 'OPS-9'];
    const renamed = await done('rename', ...named, '--name', 'Globex Ltd', ...ticket);
    expect(renamed).toMatchObject({ tenantId, after: 'Globex Ltd' });
    const suspended = await done('suspend', ...named, ...ticket);
    expect(suspended).toStrictEqual({ tenantId, status: 'suspended', membersEnded: 1 });
    expect((await me(app, token)).status).toBe(401);
    expect(await done('show', ...named)).toMatchObject({
      ...{ tenantId, slug: tenantSlug, name: 'Globex Ltd', status: 'suspended' },
      ...{ members: { active: 1, disabled: 0 }, accessLeft: 0, deletedAt: null },
      suspendedAt: expect.any(String),
    });
    const restored = await done('restore', ...named, ...ticket);
    expect(restored).toStrictEqual({ tenantId, status: 'active', membersEnded: 0 });
    const deleted = await done('delete', ...named, '--yes', ...ticket);
    expect(deleted).toStrictEqual({ tenantId, status: 'deleted', membersEnded: 1 });
    for (const action of ['RENAMED', 'SUSPENDED', 'RESTORED', 'DELETED']) {
      expect(await auditOf(`TENANT_${action}`, tenantId)).toMatchObject([
        {
          actor: expect.stringMatching(/^operator:/),
          details: { via: 'operator', ticket: 'OPS-9' },
        },
      ]);
    }
  });

  it('is not changed by a command that would change nothing, or without --yes', async () => {
    const { tenantId, tenantSlug } = await seedTestUserAndToken();
    const named = ['--tenant', tenantSlug];
    expect(await refused('restore', ...named)).toBe(`Tenant '${tenantSlug}' is already active.`);
    expect(await refused('delete', ...named)).toMatch(/cannot be undone.*--yes/);
    await done('suspend', ...named);
    expect(await refused('suspend', ...named)).toBe(`Tenant '${tenantSlug}' is already suspended.`);
    await done('delete', ...named, '--yes');
    expect(await refused('delete', ...named, '--yes')).toBe(
      `Tenant '${tenantSlug}' is already deleted.`,
    );
    expect(await refused('rename', ...named, '--name', 'Back')).toMatch(/was deleted/);
    for (const command of ['suspend', 'restore']) {
      expect(await refused(command, ...named)).toBe(
        'The tenant was deleted. A deleted tenant stays closed. Create a new one under another slug.',
      );
    }
    expect(await refused('create', '--slug', tenantSlug, '--name', 'Again')).toMatch(/slug exists/);
    const words = ['staff', 'create', '--tenant', tenantSlug, '--email', 'new@example.com'];
    const joined = await operate(env, [...words, '--password-stdin'], 'a long enough password');
    expect([joined.code, joined.stderr]).toStrictEqual([
      1,
      `Tenant '${tenantSlug}' was deleted.\n`,
    ]);
    expect(await auditOf('TENANT_DELETED', tenantId)).toHaveLength(1);
    expect(await refused('suspend', '--tenant', 'nowhere')).toBe("There is no tenant 'nowhere'.");
  });
});

/** Makes a tenant with 300 signed-in members. @returns the first of them, and all their ids */
async function largeTenant() {
  const first = await seedTestUserAndToken();
  const { tenantId } = first;
  const people = Array.from({ length: 299 }, (_, at) => ({
    email: `crowd-${at}@${first.tenantSlug}.example`,
    passwordHash: 'x',
  }));
  const made = await db.insert(users).values(people).returning({ userId: users.id });
  const members = await db
    .insert(tenantStaff)
    .values(made.map(({ userId }) => ({ tenantId, userId })))
    .returning({ staffId: tenantStaff.id, userId: tenantStaff.userId });
  const expiresAt = new Date(Date.now() + 86_400_000);
  const sessions = await db
    .insert(userSessions)
    .values(members.map((member) => ({ tenantId, ...member, expiresAt })))
    .returning();
  // A session without a token is past its idle limit.
  await db.insert(refreshTokens).values(
    sessions.map(({ id, staffId, userId }) => ({
      ...{ id: randomUUID(), tenantId, staffId, userId, sessionId: id, expiresAt },
      tokenHash: id,
    })),
  );
  const staffIds = [first.staffId, ...members.map(({ staffId }) => staffId)].sort();
  return { first, staffIds };
}

it('a suspension that is killed half-way lets nobody in, and the same command finishes it', async () => {
  const { first, staffIds } = await largeTenant();
  const { tenantId, tenantSlug } = first;
  const words = ['tenant', 'suspend', '--tenant', tenantSlug];
  const endedNow = async () => (await auditOf('SESSION_INVALIDATED', tenantId)).length;
  await withConnection(env['DATABASE_URL'] ?? '', async (client) => {
    // The third page waits for this member.
    await client.query('BEGIN');
    await client.query('SELECT FROM tenant_staff WHERE id = $1 FOR UPDATE', [staffIds[120]]);
    const script = join(REPOSITORY, 'dist', 'server', 'cli', 'admin.js');
    const child = spawn(process.execPath, [script, ...words], {
      cwd: WORKING_FOLDER,
      env: { PATH: process.env['PATH'], ...env },
      stdio: 'ignore',
    });
    const gone = once(child, 'exit');
    await pollUntil('two pages are ended', endedNow, (count) => count === 100);
    child.kill('SIGKILL');
    await gone;
    await client.query('ROLLBACK');
  });
  expect(await done('show', '--tenant', tenantSlug)).toMatchObject({
    ...{ status: 'suspended', accessLeft: 200 },
  });
  for (const node of [app, openNode().app]) {
    expect((await me(node, first.accessToken)).status).toBe(401);
    expect((await refresh(node, first.refreshToken)).status).toBe(401);
    expect((await login(node, first)).status).toBe(401);
  }
  expect(await done('suspend', '--tenant', tenantSlug)).toMatchObject({ membersEnded: 200 });
  const ended = await auditOf('SESSION_INVALIDATED', tenantId);
  expect(ended.map(({ subject }) => subject).sort()).toStrictEqual(
    staffIds.map((id) => `staff:${id}`).sort(),
  );
  expect(await auditOf('TENANT_SUSPENDED', tenantId)).toHaveLength(1);
  for (const table of [userSessions, refreshTokens]) {
    const live = and(eq(table.tenantId, tenantId), isNull(table.revokedAt));
    expect(await db.$count(table, live)).toBe(0);
  }
});
