import { createTenant, listTenants } from '../tenants';
import { asOperator, asWriter } from './operatorContext';
import { required } from './options';
import type { Options } from './options';

export function createTenantCommand(options: Options) {
  const input = { slug: required(options, 'slug'), name: required(options, 'name') };
  return asWriter(options, async ({ deps, ctx }) => {
    const tenantId = await deps.db.transaction((tx) =>
      createTenant(deps, tx, ctx, input, 'operator'),
    );
    return { tenantId };
  });
}

export function listTenantsCommand() {
  return asOperator(async ({ deps }) => ({ tenants: await listTenants(deps.db) }));
}
