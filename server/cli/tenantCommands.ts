import { createTenant, listTenants } from '../tenants';
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
