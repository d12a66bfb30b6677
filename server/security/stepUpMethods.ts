import type { Db, Tx } from '../db';
import type { Deps } from '../deps';
import { listMethods } from './challengeStore';

/** The proofs that a staff member can give and their tenant allows. */
export async function listAllowedMethods(
  deps: Pick<Deps, 'riskPolicies'>,
  db: Db | Tx,
  tenantId: string,
  staffId: string,
): Promise<string[]> {
  const { policy } = await deps.riskPolicies.read(tenantId);
  const allowed: readonly string[] = policy.methods;
  const enrolled = await listMethods(db, tenantId, staffId);
  return enrolled.filter((method) => allowed.includes(method));
}
