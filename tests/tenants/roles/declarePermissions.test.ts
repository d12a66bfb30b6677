import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import { compareDeclaredFiles } from '@/server/bootstrap/compareDeclaredFiles';
import { db } from '@/server/db';
import { declaredPermissions, tenantRoles, tenantStaff, tenants } from '@/server/db/schema';
import { BUILT_IN_PERMISSIONS } from '@/server/permissions';
import { auditOf } from '@/tests/helpers/database/authRows';
import { me } from '@/tests/helpers/http/authCalls';
import {
  accessNow,
  giveRoles,
  makeRole,
  seedAdministrator,
} from '@/tests/helpers/people/administrator';
import { as } from '@/tests/helpers/people/officer';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { memoryLog } from '@/tests/helpers/server/memoryLog';
import { operate } from '@/tests/helpers/server/operatorCommand';
import { externalEnv } from '@/tests/helpers/server/serverProcess';
import { buildApp } from '@/tests/helpers/server/testApp';

const env = externalEnv();
const { app, deps } = buildApp();
const other = buildApp();
const EXPORT = { 'app:reports.export': { description: 'export reports' } };
const DELETE = { 'app:projects.delete': { description: 'delete projects', privileged: true } };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-permissions-'));
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(async () => {
  await db.delete(declaredPermissions);
  await db.update(tenantStaff).set({ roles: [], permissions: [] });
});

function fileOf(content: object | string): string {
  const path = join(folder, 'permissions.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const run = (content: object | string, ...more: string[]) =>
  operate(env, ['permissions', 'declare', '--file', fileOf(content), ...more]);

async function declare(content: object, ...more: string[]) {
  const { code, stdout, stderr } = await run(content, ...more);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as Record<string, unknown>;
}

const listed = async () => {
  const viewer = await seedTestUserAndToken({ permissions: ['TENANT_STAFF_VIEW'] });
  const { body } = await as(app, viewer).get('/api/tenants/permissions');
  return (body as { permissions: { name: string; builtIn: boolean }[] }).permissions.filter(
    ({ builtIn }) => !builtIn,
  );
};

describe('admin permissions declare', () => {
  it('adds, changes and withdraws until the permissions are those of the file, and records each', async () => {
    const earlier = {
      declared: (await auditOf('PERMISSION_DECLARED')).length,
      withdrawn: (await auditOf('PERMISSION_WITHDRAWN')).length,
    };
    expect(await declare({ ...EXPORT, ...DELETE })).toMatchObject({
      added: ['app:projects.delete', 'app:reports.export'],
      changed: [],
      withdrawn: [],
    });
    const reworded = { description: 'export all reports', privileged: true };
    expect(await declare({ 'app:reports.export': reworded })).toMatchObject({
      ...{ added: [], changed: ['app:reports.export'], withdrawn: ['app:projects.delete'] },
    });
    expect(await listed()).toEqual([{ name: 'app:reports.export', ...reworded, builtIn: false }]);
    const declared = (await auditOf('PERMISSION_DECLARED')).slice(earlier.declared);
    const before = { ...EXPORT['app:reports.export'], privileged: false };
    expect(declared.slice(1)).toMatchObject([
      { subject: 'permission:app:reports.export', details: { before: null, after: before } },
      {
        ...{ tenantId: null, actor: expect.stringMatching(/^operator:/) as string },
        details: { before, after: reworded },
      },
    ]);
    expect((await auditOf('PERMISSION_WITHDRAWN')).slice(earlier.withdrawn)).toMatchObject([
      {
        ...{ tenantId: null, subject: 'permission:app:projects.delete' },
        details: { before: DELETE['app:projects.delete'] },
      },
    ]);
  });

  it('repeated changes nothing and records nothing', async () => {
    const owner = await seedTestUserAndToken();
    await giveRoles(owner, 'owner');
    await declare(EXPORT);
    const events = (await auditOf('PERMISSION_DECLARED')).length;
    const changes = (await auditOf('STAFF_PERMISSIONS_CHANGED')).length;
    expect(await declare(EXPORT)).toEqual({ added: [], changed: [], withdrawn: [], members: 0 });
    expect(await auditOf('PERMISSION_DECLARED')).toHaveLength(events);
    expect(await auditOf('STAFF_PERMISSIONS_CHANGED')).toHaveLength(changes);
  });

  it('with --dry-run says what it would do, and does nothing', async () => {
    await declare(EXPORT);
    const owner = await seedTestUserAndToken();
    await giveRoles(owner, 'owner');
    expect(await declare(DELETE, '--dry-run')).toEqual({
      ...{ added: ['app:projects.delete'], changed: [], withdrawn: ['app:reports.export'] },
      dryRun: true,
    });
    expect((await listed()).map(({ name }) => name)).toEqual(['app:reports.export']);
    expect((await accessNow(owner))?.permissions).toContain('app:reports.export');
  });

  it('gives new permissions to the owners of every open tenant, with an event each, and to nobody else', async () => {
    const [owner, second, third] = [
      await seedTestUserAndToken(),
      await seedTestUserAndToken(),
      await seedTestUserAndToken(),
    ];
    const admin = await seedAdministrator({ tenantId: owner.tenantId });
    for (const one of [owner, second, third]) await giveRoles(one, 'owner');
    await db.update(tenants).set({ status: 'suspended' }).where(eq(tenants.id, second.tenantId));
    await db.update(tenants).set({ status: 'deleted' }).where(eq(tenants.id, third.tenantId));
    const before = (await accessNow(owner))?.permissions ?? [];
    expect(await declare(DELETE)).toMatchObject({ members: 2 });
    for (const one of [owner, second]) {
      const after = [...before, 'app:projects.delete'].sort();
      expect((await accessNow(one))?.permissions).toEqual(after);
      expect((await auditOf('STAFF_PERMISSIONS_CHANGED', one.tenantId)).at(-1)).toMatchObject({
        ...{ subject: `staff:${one.staffId}`, tenantId: one.tenantId },
        details: { before, after, rolesBefore: ['owner'], rolesAfter: ['owner'], via: 'operator' },
      });
    }
    for (const one of [third, admin]) {
      expect((await accessNow(one))?.permissions).not.toContain('app:projects.delete');
    }
  });

  it('takes withdrawn permissions from roles and from everybody, and they come back to owners alone', async () => {
    await declare({ ...EXPORT, ...DELETE });
    const owner = await seedTestUserAndToken();
    await giveRoles(owner, 'owner');
    const { tenantId } = owner;
    const role = await makeRole(app, owner, 'Exporters', [
      'app:reports.export',
      'TENANT_STAFF_VIEW',
    ]);
    const holder = await seedTestUserAndToken({ tenantId });
    await giveRoles(holder, role);
    const direct = await seedTestUserAndToken({ permissions: ['app:reports.export'] });

    expect(await declare(DELETE)).toMatchObject({ members: 3 });
    expect((await accessNow(owner))?.permissions).toEqual(
      [...BUILT_IN_PERMISSIONS, 'app:projects.delete'].sort(),
    );
    expect((await accessNow(holder))?.permissions).toEqual(['TENANT_STAFF_VIEW']);
    expect((await accessNow(direct))?.permissions).toEqual([]);
    expect((await auditOf('ROLE_UPDATED', tenantId)).at(-1)).toMatchObject({
      subject: `role:${role}`,
      details: { after: { permissions: ['TENANT_STAFF_VIEW'] }, holders: 1, via: 'operator' },
    });
    for (const { staffId, tenantId: tenant } of [owner, holder, direct]) {
      const changes = await auditOf('STAFF_PERMISSIONS_CHANGED', tenant);
      expect(changes.filter(({ subject }) => subject === `staff:${staffId}`).at(-1)).toMatchObject({
        details: { via: 'operator' },
      });
    }
    expect(await declare({ ...EXPORT, ...DELETE })).toMatchObject({ members: 1 });
    expect((await accessNow(owner))?.permissions).toContain('app:reports.export');
    expect((await accessNow(holder))?.permissions).toEqual(['TENANT_STAFF_VIEW']);
  });

  it('ends what an interrupted run has left: a permission is withdrawn, and somebody still holds it', async () => {
    await declare(EXPORT);
    const direct = await seedTestUserAndToken({ permissions: ['app:reports.export'] });
    const roles = { tenantId: direct.tenantId, name: 'Left', permissions: ['app:reports.export'] };
    await db.insert(tenantRoles).values(roles);
    await db.update(declaredPermissions).set({ withdrawnAt: new Date() });
    expect(await declare({})).toMatchObject({ withdrawn: [], members: 1 });
    expect((await accessNow(direct))?.permissions).toEqual([]);
    const [role] = await db
      .select()
      .from(tenantRoles)
      .where(eq(tenantRoles.tenantId, direct.tenantId));
    expect(role?.permissions).toEqual([]);
  });

  it('counts at the next request, on every node', async () => {
    const owner = await seedTestUserAndToken();
    await giveRoles(owner, 'owner');
    await declare(DELETE);
    for (const node of [app, other.app]) {
      expect((await me(node, owner.token)).body.permissions).toContain('app:projects.delete');
    }
    await declare({});
    for (const node of [app, other.app]) {
      expect((await me(node, owner.token)).body.permissions).not.toContain('app:projects.delete');
    }
  });

  it('beside role changes leaves owners with every declared permission, and nobody with a withdrawn one', async () => {
    await declare(EXPORT);
    const owner = await seedTestUserAndToken();
    const late = await seedTestUserAndToken({ tenantId: owner.tenantId });
    await giveRoles(owner, 'owner');
    await Promise.all([
      declare(DELETE),
      giveRoles(late, 'owner'),
      as(app, owner).post('/api/tenants/roles', {
        name: 'Raced',
        permissions: ['app:reports.export'],
      }),
    ]);
    const all = [...BUILT_IN_PERMISSIONS, 'app:projects.delete'].sort();
    for (const one of [owner, late]) expect((await accessNow(one))?.permissions).toEqual(all);
    const rows = await db
      .select()
      .from(tenantRoles)
      .where(eq(tenantRoles.tenantId, owner.tenantId));
    expect(rows.flatMap(({ permissions }) => permissions)).toEqual([]);
  });
});

describe('a file of permissions that cannot be used', () => {
  it.each([
    ['{', 'it is not JSON.'],
    ['[]', 'it must be an object with the name of each permission as a key.'],
    [{ TENANT_STAFF_VIEW: { description: 'x' } }, '"TENANT_STAFF_VIEW" is not a name:'],
    [{ 'app:Upper': { description: 'x' } }, '"app:Upper" is not a name:'],
    [{ 'app:a': 'x' }, '"app:a" must be an object such as'],
    [{ 'app:a': {} }, '"app:a": description must be one line of 1 to 200 characters.'],
    [{ 'app:a': { description: 'a\nb' } }, '"app:a": description must be one line'],
    [{ 'app:a': { description: 'x', privileged: 1 } }, '"app:a": privileged must be true or'],
    [{ 'app:a': { description: 'x', secret: 1 } }, '"app:a" has an unknown field "secret".'],
    [
      Object.fromEntries(
        Array.from({ length: 151 }, (_, n) => [`app:p${n}`, { description: 'x' }]),
      ),
      'it has 151 permissions; at most 150 are possible.',
    ],
  ])('is refused in one sentence, and nothing is declared: %j', async (content, sentence) => {
    const { code, stdout, stderr } = await run(content);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(`permissions.json cannot be used: ${sentence}`);
    expect(stderr.trimEnd()).not.toContain('\n');
    expect(await db.select().from(declaredPermissions)).toEqual([]);
  });

  it('that is missing, and a command without any file, are refused', async () => {
    const missing = await operate(env, ['permissions', 'declare', '--file', '/no/such/file']);
    expect(missing.stderr).toBe('/no/such/file cannot be used: it cannot be read (ENOENT).\n');
    const none = await operate(env, ['permissions', 'declare']);
    expect(none.stderr).toBe('Give --file F, or set PERMISSIONS_FILE.\n');
    const set = { ...env, PERMISSIONS_FILE: '/no/such/file' };
    const setting = await operate(set, ['permissions', 'list']);
    expect(setting.stderr).toBe('PERMISSIONS_FILE names a file that does not exist.\n');
  });
});

describe('the setting PERMISSIONS_FILE', () => {
  it('is the file that is declared if none is given', async () => {
    const set = { ...env, PERMISSIONS_FILE: fileOf(EXPORT) };
    const { stdout } = await operate(set, ['permissions', 'declare']);
    expect(JSON.parse(stdout)).toMatchObject({ added: ['app:reports.export'] });
    const list = await operate(set, ['permissions', 'list']);
    const { permissions } = JSON.parse(list.stdout) as { permissions: { name: string }[] };
    expect(permissions.map(({ name }) => name)).toEqual([
      ...BUILT_IN_PERMISSIONS,
      'app:reports.export',
    ]);
  });

  it('warns at the start if the file and the declared permissions differ, and names the command', async () => {
    const warningsFor = async (content: object | string) => {
      const { logger, lines } = memoryLog();
      const config = { ...deps.config, permissionsFile: fileOf(content) };
      await compareDeclaredFiles({ config, db, logger });
      return lines;
    };
    await declare({ ...EXPORT, 'app:kept': { description: 'a' } });
    const warnings = await warningsFor({ ...DELETE, 'app:kept': { description: 'b' } });
    expect(warnings).toMatchObject([
      {
        code: 'PERMISSIONS_FILE',
        msg: 'PERMISSIONS_FILE differs from the declared permissions (added: app:projects.delete; changed: app:kept; withdrawn: app:reports.export). To declare those of the file, run `npm run admin -- permissions declare`.',
      },
    ]);
    expect(await warningsFor('{')).toMatchObject([{ code: 'PERMISSIONS_FILE' }]);
    expect(await warningsFor({ ...EXPORT, 'app:kept': { description: 'a' } })).toEqual([]);
  });
});
