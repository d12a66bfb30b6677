import type { Tx } from '../db';
import type { TenantDeps } from './deps';
import { insertUserIfNew } from './tenantStore';

/**
 * Creates a person who has no password: they sign in at their tenant's provider, and can set a password
 * by a link that is mailed to them. A person who exists stays as they are.
 * @param person the address in its normal form; a name only if the person has given it
 * @returns the id of the person with this address, and whether they are new
 */
export function insertPersonWithoutPassword(
  { random, clock }: Pick<TenantDeps, 'random' | 'clock'>,
  tx: Tx,
  { email, name }: { email: string; name: string | null },
): Promise<{ id: string; created: boolean }> {
  const now = clock.now();
  return insertUserIfNew(tx, {
    ...{ id: random.id(), email, emailNormalized: true, name, passwordHash: null },
    ...{ passwordChangedAt: now, createdAt: now },
  });
}
