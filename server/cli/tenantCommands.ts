import {
  createTenant,
  deleteTenant,
  listTenants,
  renameTenant,
  restoreTenant,
  showTenant,
  suspendTenant,
} from '../tenants';
import { CommandError } from './commandError';
import { openTenantIdOf, tenantIdOf } from './findStaff';
import type { Invocation } from './invocation';
import { asOperator, asWriter } from './operatorContext';
import { required } from './options';
import type { Options } from './options';

export function createTenantCommand(options: Options, invocation: Invocation) {
  const input = { slug: required(options, 'slug'), name: required(options, 'name') };
  return asWriter(options, invocation, async ({ deps, ctx }) => {
    const tenantId = await deps.db.transaction((tx) =>
      createTenant(deps, tx, ctx, input, 'operator'),
    );
    return { tenantId };
  });
}

export function listTenantsCommand(_options: Options, invocation: Invocation) {
  return asOperator(invocation, async ({ deps }) => ({ tenants: await listTenants(deps.db) }));
}

export function showTenantCommand(options: Options, invocation: Invocation) {
  const slug = required(options, 'tenant');
  return asOperator(invocation, async (operator) =>
    showTenant(operator.deps, { tenantId: await tenantIdOf(operator, slug) }),
  );
}

export function renameTenantCommand(options: Options, invocation: Invocation) {
  const [slug, name] = [required(options, 'tenant'), required(options, 'name')];
  return asWriter(options, invocation, async (operator) => {
    const tenantId = await openTenantIdOf(operator, slug);
    const { deps, ctx } = operator;
    const changed = await renameTenant(deps, ctx, { name }, { via: 'operator', tenantId });
    if (changed.before === changed.after) {
      throw new CommandError(`Tenant '${slug}' already has this name.`);
    }
    return { tenantId, ...changed };
  });
}

/** Makes a command that suspends, restores or deletes a tenant. Repeated, it ends the access that is left. */
const statusCommand =
  (change: typeof suspendTenant, status: 'active' | 'suspended' | 'deleted') =>
  (options: Options, invocation: Invocation) => {
    const slug = required(options, 'tenant');
    return asWriter(options, invocation, async (operator) => {
      const tenantId = await tenantIdOf(operator, slug);
      const { changed, membersEnded } = await change(operator.deps, operator.ctx, { tenantId });
      if (!changed && membersEnded === 0) {
        throw new CommandError(`Tenant '${slug}' is already ${status}.`);
      }
      return { tenantId, status, membersEnded };
    });
  };

export const suspendTenantCommand = statusCommand(suspendTenant, 'suspended');
export const restoreTenantCommand = statusCommand(restoreTenant, 'active');
const deleteCommand = statusCommand(deleteTenant, 'deleted');

export function deleteTenantCommand(options: Options, invocation: Invocation) {
  const slug = required(options, 'tenant');
  if (options['yes'] !== true) {
    throw new CommandError(
      `Deleting tenant '${slug}' cannot be undone. Give --yes if you mean it, or use \`tenant suspend\`.`,
    );
  }
  return deleteCommand(options, invocation);
}
