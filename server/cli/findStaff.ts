import { findStaffByEmail, findTenantBySlug } from '../tenants';
import { CommandError } from './commandError';
import type { Operator } from './operatorContext';
import { required } from './options';
import type { Options } from './options';

/** @throws CommandError if there is no such tenant */
export async function tenantIdOf({ deps }: Operator, slug: string): Promise<string> {
  const tenant = await findTenantBySlug(deps.db, slug);
  if (!tenant) throw new CommandError(`There is no tenant '${slug}'.`);
  return tenant.id;
}

/**
 * The staff member that `--tenant` and `--email` name.
 * @throws CommandError if an option is missing, or there is no such person
 */
export async function staffOf(operator: Operator, options: Options) {
  const slug = required(options, 'tenant');
  const email = required(options, 'email').trim().toLowerCase();
  const tenantId = await tenantIdOf(operator, slug);
  const staff = await findStaffByEmail(operator.deps.db, tenantId, email);
  if (!staff) throw new CommandError(`Tenant '${slug}' has no staff member '${email}'.`);
  return staff;
}
