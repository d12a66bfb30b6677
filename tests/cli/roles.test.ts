import { auditOf } from '../helpers/database/authRows';
import { accessNow, giveRoles, seedAdministrator } from '../helpers/people/administrator';
import { operate } from '../helpers/server/operatorCommand';
import { seedTestUserAndToken } from '../helpers/seedAuth';
import { externalEnv } from '../helpers/server/serverProcess';

const env = externalEnv();
const ADMINISTERING = ['TENANT_ROLES_MANAGE', 'TENANT_STAFF_MANAGE'];

async function succeed(...words: string[]) {
  const { code, stdout, stderr } = await operate(env, words);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as Record<string, unknown>;
}

async function complaint(...words: string[]) {
  const { code, stdout, stderr } = await operate(env, words);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  return stderr.trimEnd();
}

const roles = (slug: string, what: string) => ['roles', what, '--tenant', slug];
async function make(slug: string, name: string, permissions: string) {
  const create = [...roles(slug, 'create'), '--name', name, '--permissions', permissions];
  return (await succeed(...create)) as { role: { id: string } };
}

describe('admin roles', () => {
  it('create, list, change and delete do what the API does, without the limits of a member', async () => {
    const holder = await seedTestUserAndToken();
    const { tenantId, tenantSlug: slug } = holder;
    const { role } = await make(slug, 'Help desk', 'TENANT_STAFF_VIEW');
    expect(role).toMatchObject({ name: 'Help desk', permissions: ['TENANT_STAFF_VIEW'] });
    await giveRoles(holder, role.id);
    expect(await succeed(...roles(slug, 'list'))).toMatchObject({
      tenantId,
      roles: [{}, {}, {}, {}, { id: role.id, holders: 1 }],
    });
    const change = [...roles(slug, 'change'), '--role', 'help DESK'];
    await succeed(...change, '--permissions', 'SETTINGS_SECURITY_VIEW', '--ticket', 'HR-1');
    expect((await accessNow(holder))?.permissions).toEqual(['SETTINGS_SECURITY_VIEW']);
    const event = { actor: expect.stringMatching(/^operator:/) as string };
    expect(await auditOf('ROLE_UPDATED', tenantId)).toMatchObject([
      { ...event, details: { via: 'operator', holders: 1, ticket: 'HR-1' } },
    ]);
    const again = await complaint(...change, '--permissions', 'SETTINGS_SECURITY_VIEW');
    expect(again).toBe("The role 'Help desk' already has exactly these values.");
    const remove = [...roles(slug, 'delete'), '--role', role.id];
    expect(await complaint(...remove)).toBe(
      'Members who carry it: 1. Open invitations that name it: 0.',
    );
    await giveRoles(holder);
    expect(await succeed(...remove)).toEqual({ tenantId, roleId: role.id, deleted: true });
  });

  it('an id means the role with this id, although another one has it as its name', async () => {
    const { tenantSlug: slug } = await seedTestUserAndToken();
    const { role } = await make(slug, 'Support', 'TENANT_STAFF_VIEW');
    await make(slug, role.id, 'SETTINGS_SECURITY_VIEW');
    await succeed(...roles(slug, 'delete'), '--role', role.id);
    const left = (await succeed(...roles(slug, 'list'))) as { roles: { name: string }[] };
    expect(left.roles.map(({ name }) => name)).toContain(role.id);
    expect(left.roles.map(({ name }) => name)).not.toContain('Support');
  });

  it.each([
    [['create'], '--name is missing.'],
    [['create', '--name', 'owner'], 'Another role has this name'],
    [['create', '--name', 'x', '--permissions', 'NO_SUCH'], 'There is no permission NO_SUCH.'],
    [['create', '--name', 'x', '--permissions', 'lower'], '--permissions: must be the name of a'],
    [
      ['change', '--role', 'nobody', '--name', 'x'],
      "There is no role 'nobody'. The roles are owner,",
    ],
    [['change', '--role', 'owner', '--name', 'x'], 'Built-in roles cannot be changed'],
    [
      ['change', '--role', 'owner'],
      'Give at least one of --name, --description and --permissions.',
    ],
    [['delete', '--role', 'member'], 'Built-in roles cannot be changed'],
  ])('%j is refused in one sentence', async ([what = '', ...more], sentence) => {
    const { tenantSlug } = await seedTestUserAndToken();
    expect(await complaint(...roles(tenantSlug, what), ...more)).toContain(sentence);
  });

  it('change takes the last administrator’s permissions only with --last-administrator', async () => {
    const { tenantSlug: slug, ...admin } = await seedAdministrator();
    const role = await make(slug, 'Admins', ADMINISTERING.join(','));
    await giveRoles(admin, role.role.id);
    const change = [...roles(slug, 'change'), '--role', 'Admins', '--permissions', ''];
    expect(await complaint(...change)).toContain('without an administrator');
    await succeed(...change, '--last-administrator');
    expect((await accessNow(admin))?.permissions).not.toContain('TENANT_ROLES_MANAGE');
  });
});

describe('admin staff', () => {
  it('roles --set gives roles by id and name, with what they give, and takes all others', async () => {
    const { tenantSlug: slug, email, tenantId, staffId } = await seedTestUserAndToken();
    const { role } = await make(slug, 'Help desk', 'TENANT_STAFF_VIEW');
    const set = ['staff', 'roles', '--tenant', slug, '--email', email, '--set'];
    const after = {
      roles: [role.id, 'auditor'].sort(),
      permissions: ['SETTINGS_SECURITY_VIEW', 'TENANT_STAFF_VIEW'],
    };
    const before = { roles: [], permissions: [] };
    expect(await succeed(...set, 'Auditor,help desk')).toMatchObject({ staffId, before, after });
    expect(await accessNow({ staffId })).toEqual(after);
    expect(await auditOf('STAFF_PERMISSIONS_CHANGED', tenantId)).toMatchObject([
      { details: { rolesBefore: [], rolesAfter: after.roles, via: 'operator' } },
    ]);
    expect(await complaint(...set, 'help desk,auditor')).toBe(
      `'${email}' already has exactly these roles.`,
    );
    await succeed(...set, '');
    expect(await accessNow({ staffId })).toEqual(before);
  });

  it('create --role gives a new member roles, and permissions beside them', async () => {
    const { tenantSlug: slug, tenantId } = await seedTestUserAndToken();
    const person = ['--tenant', slug, '--email', `new-${tenantId}@example.com`];
    const { code, stdout } = await operate(
      env,
      [
        ...['staff', 'create', ...person, '--password-stdin', '--role', 'member,Auditor'],
        ...['--permissions', 'SETTINGS_SECURITY_EDIT'],
      ],
      'a long enough passphrase of somebody',
    );
    expect(code).toBe(0);
    const access = {
      roles: ['auditor', 'member'],
      permissions: ['SETTINGS_SECURITY_EDIT', 'SETTINGS_SECURITY_VIEW', 'TENANT_STAFF_VIEW'],
    };
    expect(await accessNow(JSON.parse(stdout) as { staffId: string })).toEqual(access);
    expect(await auditOf('STAFF_CREATED', tenantId)).toMatchObject([{ details: access }]);
  });
});
