import { changeAccess, changeRole, createRole, listRoles, removeRole, roleInput } from '../tenants';
import type { RoleInput } from '../tenants';
import { CommandError } from './commandError';
import { roleNamed, rolesNamed } from './findRole';
import { staffOf, tenantIdOf } from './findStaff';
import type { Invocation } from './invocation';
import { asOperator, asWriter } from './operatorContext';
import { listOf, required } from './options';
import type { Options } from './options';
import { operatorAct } from './staffCommands';

export function listRolesCommand(options: Options, invocation: Invocation) {
  const slug = required(options, 'tenant');
  return asOperator(invocation, async (operator) => {
    const tenantId = await tenantIdOf(operator, slug);
    return { tenantId, roles: await listRoles(operator.deps.db, tenantId) };
  });
}

/** Reads the fields of a role that are given. */
function fieldsOf(options: Options): Partial<RoleInput> {
  const given = {
    ...(typeof options['name'] === 'string' && { name: options['name'] }),
    ...(typeof options['description'] === 'string' && { description: options['description'] }),
    ...(typeof options['permissions'] === 'string' && {
      permissions: listOf(options, 'permissions'),
    }),
  };
  const parsed = roleInput.partial().safeParse(given);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new CommandError(`--${String(issue?.path[0])}: ${issue?.message ?? 'not valid'}.`);
  }
  const { name, description, permissions } = parsed.data;
  return {
    ...(name !== undefined && { name }),
    ...(given.description !== undefined && description !== undefined && { description }),
    ...(permissions !== undefined && { permissions }),
  };
}

export function createRoleCommand(options: Options, invocation: Invocation) {
  const slug = required(options, 'tenant');
  required(options, 'name');
  const { name = '', description = '', permissions = [] } = fieldsOf(options);
  return asWriter(options, invocation, async (operator) => {
    const { deps, ctx } = operator;
    const tenantId = await tenantIdOf(operator, slug);
    const authority = { via: 'operator', tenantId } as const;
    // A change by an operator never waits for an approval.
    const { role } = await createRole(deps, ctx, authority, { name, description, permissions });
    return { tenantId, role };
  });
}

export function changeRoleCommand(options: Options, invocation: Invocation) {
  const [slug, word] = [required(options, 'tenant'), required(options, 'role')];
  const set = fieldsOf(options);
  if (Object.keys(set).length === 0) {
    throw new CommandError('Give at least one of --name, --description and --permissions.');
  }
  return asWriter(options, invocation, async (operator) => {
    const { deps, ctx } = operator;
    const tenantId = await tenantIdOf(operator, slug);
    const before = await roleNamed(operator, tenantId, word);
    const { insists } = operatorAct(options);
    const authority = { via: 'operator', tenantId } as const;
    const { role } = await changeRole(deps, ctx, authority, { id: before.id, set, insists });
    if (role?.updatedAt?.getTime() === before.updatedAt?.getTime()) {
      throw new CommandError(`The role '${before.name}' already has exactly these values.`);
    }
    return { tenantId, role };
  });
}

export function deleteRoleCommand(options: Options, invocation: Invocation) {
  const [slug, word] = [required(options, 'tenant'), required(options, 'role')];
  return asWriter(options, invocation, async (operator) => {
    const { deps, ctx } = operator;
    const tenantId = await tenantIdOf(operator, slug);
    const { id } = await roleNamed(operator, tenantId, word);
    await removeRole(deps, ctx, { via: 'operator', tenantId }, id);
    return { tenantId, roleId: id, deleted: true };
  });
}

export function staffRolesCommand(options: Options, invocation: Invocation) {
  if (typeof options['set'] !== 'string') throw new CommandError('--set is missing.');
  const words = listOf(options, 'set');
  return asWriter(options, invocation, async (operator) => {
    const { deps, ctx } = operator;
    const { tenantId, staffId, email } = await staffOf(operator, options);
    const staff = { tenantId, staffId };
    const roles = await rolesNamed(operator, tenantId, words);
    const plan = await changeAccess(deps, ctx, staff, { roles }, operatorAct(options));
    if (!plan.changed) throw new CommandError(`'${email}' already has exactly these roles.`);
    return { ...staff, before: plan.before, after: plan.after };
  });
}
