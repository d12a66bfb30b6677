import { recordAudits } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import {
  directPermissions,
  effectivePermissions,
  findRoles,
  inOrder,
} from './effectivePermissions';
import type { Provenance } from './requestApproval';
import type { OwnRole, RoleHolder } from './roleStore';
import { updatePermissions } from './roleStore';

/** A member whose permissions change although their roles stay. */
export interface Rewrite {
  readonly staffId: string;
  readonly roles: readonly string[];
  readonly before: readonly string[];
  readonly after: string[];
}

/** Returns whether a member's permissions change. */
export const isChange = ({ before, after }: Rewrite) =>
  JSON.stringify(before) !== JSON.stringify(after);

/**
 * Works out the permissions that the holders of a role get by its change: those that only the old
 * role gave are taken out, those that the new one gives are put in.
 * @param after the role after the change; the stored one must still be the role before it
 * @returns the holders whose permissions change
 */
export async function planRewrites(
  tx: Tx,
  tenantId: string,
  holders: readonly RoleHolder[],
  after: OwnRole,
): Promise<Rewrite[]> {
  const all = await findRoles(tx, tenantId, [...new Set(holders.flatMap(({ roles }) => roles))]);
  return holders
    .map(({ staffId, roles, permissions }) => {
      const old = all.filter(({ id }) => roles.includes(id));
      const now = old.map((role) => (role.id === after.id ? after : role));
      const direct = directPermissions(permissions, old);
      const next = effectivePermissions(now, direct);
      return { staffId, roles: inOrder(roles), before: inOrder(permissions), after: next };
    })
    .filter(isChange);
}

/** Writes new permissions of members, and one event for each of them. */
export async function writeRewrites(
  tx: Tx,
  ctx: RequestContext,
  tenantId: string,
  rewrites: readonly Rewrite[],
  provenance: Provenance,
): Promise<void> {
  const byResult = new Map<string, Rewrite[]>();
  for (const one of rewrites) {
    const key = JSON.stringify(one.after);
    byResult.set(key, [...(byResult.get(key) ?? []), one]);
  }
  for (const same of byResult.values()) {
    const staffIds = same.map(({ staffId }) => staffId);
    await updatePermissions(tx, tenantId, { staffIds, permissions: same[0]?.after ?? [] });
  }
  const events = rewrites.map(({ staffId, roles, before, after }) => ({
    action: 'STAFF_PERMISSIONS_CHANGED' as const,
    outcome: 'success' as const,
    tenantId,
    subject: `staff:${staffId}`,
    details: {
      ...{ before: [...before], after, rolesBefore: [...roles], rolesAfter: [...roles] },
      ...provenance,
    },
  }));
  await recordAudits(tx, ctx, events);
}
