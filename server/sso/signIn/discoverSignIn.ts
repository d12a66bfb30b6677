import { findProvenDomain } from '../../domains';
import { domainOf } from '../../mailAddress';
import { findTenantBySlug } from '../../tenants';
import type { SsoDeps } from '../deps';
import { listClients } from './clientStore';

/** The ways to sign in. */
export interface WaysToSignIn {
  /** Whether a password can be tried. */
  readonly password: boolean;
  readonly connections: readonly { readonly id: string; readonly name: string }[];
}

/** The id of no tenant: its connections are looked for too, so that no answer takes less work. */
const NOBODY = '00000000-0000-0000-0000-000000000000';

/**
 * Says where somebody signs in. Of an address only the domain counts, and whether a tenant has
 * proven it: nobody learns whether the person exists.
 * @param asked the address in its normal form, or the slug of a tenant
 */
export async function discoverSignIn(
  { db }: Pick<SsoDeps, 'db'>,
  { email, tenant = '' }: { email?: string | undefined; tenant?: string | undefined },
): Promise<WaysToSignIn> {
  const tenantId =
    email === undefined
      ? (await findTenantBySlug(db, tenant))?.id
      : await findProvenDomain(db, domainOf(email));
  return { password: true, connections: await listClients(db, tenantId ?? NOBODY) };
}
