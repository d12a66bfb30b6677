import { isRowId } from '../db/ids';
import { normalizeSlug } from '../http/emailAddress';
import { normalizeEmail } from '../mailAddress';
import { findStaffByEmail, findStaffById, findTenantBySlug } from '../tenants';
import { CommandError } from './commandError';
import type { Operator } from './operatorContext';
import { optional, required } from './options';
import type { Options } from './options';

/**
 * Returns an option that holds an e-mail address, in its normal form.
 * @throws CommandError if it is missing, or if no mail can reach it
 */
export function emailOption(options: Options, name: string): string {
  const typed = required(options, name);
  const email = normalizeEmail(typed);
  if (email === null)
    throw new CommandError(`${name} must be an e-mail address that can receive mail.`);
  return email;
}

/** @throws CommandError if there is no such tenant */
export async function tenantIdOf({ deps }: Operator, slug: string): Promise<string> {
  const tenant = await findTenantBySlug(deps.db, normalizeSlug(slug));
  if (!tenant) throw new CommandError(`There is no tenant '${slug}'.`);
  return tenant.id;
}

/**
 * Returns the id of a tenant that people may still join.
 * @throws CommandError if there is no such tenant, or it was deleted
 */
export async function openTenantIdOf({ deps }: Operator, slug: string): Promise<string> {
  const tenant = await findTenantBySlug(deps.db, normalizeSlug(slug));
  if (!tenant) throw new CommandError(`There is no tenant '${slug}'.`);
  if (tenant.status === 'deleted') throw new CommandError(`Tenant '${slug}' was deleted.`);
  return tenant.id;
}

/**
 * Returns the staff member that `--tenant` and `--email` name. `--staff ID` names a person whose
 * stored address is not in its normal form, because no spelling of the address would match.
 * @throws CommandError if there is none
 */
export async function staffOf(operator: Operator, options: Options) {
  const { db } = operator.deps;
  const slug = required(options, 'tenant');
  const staffId = optional(options, 'staff');
  if (staffId !== undefined) {
    const tenantId = await tenantIdOf(operator, slug);
    const staff = isRowId(staffId) ? await findStaffById(db, tenantId, staffId) : undefined;
    if (!staff) throw new CommandError(`Tenant '${slug}' has no staff member '${staffId}'.`);
    return staff;
  }
  const email = emailOption(options, 'email');
  const tenantId = await tenantIdOf(operator, slug);
  const staff = await findStaffByEmail(db, tenantId, email);
  if (!staff) throw new CommandError(`Tenant '${slug}' has no staff member '${email}'.`);
  return staff;
}
