import { systemContext } from '../context';
import type { Deps } from '../deps';
import { enrollTotpForStaff } from '../security';
import { createStaff, createTenant, hasAnyTenant } from '../tenants';

export interface DemoSignIn {
  tenant: string;
  email: string;
  password: string;
  totpSecret: string;
}

const SLUG = 'acme';
const EMAIL = 'owner@acme.example';

const CONTEXT = systemContext('first-start');

/**
 * Creates the demo tenant and its owner in an empty database.
 * @returns the sign-in data, to be shown once; undefined if there is a tenant already
 */
export async function createDemo(
  deps: Pick<
    Deps,
    'db' | 'keys' | 'clock' | 'random' | 'passwords' | 'mail' | 'logger' | 'metrics'
  >,
): Promise<DemoSignIn | undefined> {
  if (await hasAnyTenant(deps.db)) return undefined;
  const password = deps.random.bytes(15).toString('base64url');
  const passwordHash = await deps.passwords.hash(password);
  return deps.db.transaction(async (tx) => {
    const tenant = { slug: SLUG, name: 'Acme Inc' };
    const tenantId = await createTenant(deps, tx, CONTEXT, tenant, 'bootstrap');
    const access = { roles: ['owner'], permissions: [] };
    const owner = { email: EMAIL, ...access, tenantId, passwordHash };
    const { userId, staffId } = await createStaff(deps, tx, CONTEXT, owner, 'bootstrap');
    const staff = { tenantId, userId, staffId };
    const totpSecret = await enrollTotpForStaff(deps, tx, CONTEXT, staff, 'bootstrap');
    return { tenant: SLUG, email: EMAIL, password, totpSecret };
  });
}
