import type { Json } from '../../tlog/canonicalJson';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import type { TenantDeps } from './deps';
import type { Administration } from './administration';
import type { ApprovalRequest } from './approvalStore';
import type { ListedRole } from './listRoles';
import { needsSecond, requestApproval } from './requestApproval';
import type { PreparedChange, Provenance } from './requestApproval';

/** A change of a tenant's own roles that was checked, and not yet written. */
export interface PreparedRole extends PreparedChange {
  /** The given permissions that need a second administrator. */
  readonly privileged: readonly string[];
  /** Writes the role, and returns it. */
  write(ctx: RequestContext, provenance: Provenance): Promise<ListedRole>;
}

/** The outcome of a change: the role, or the request that waits for an approval. */
export type RoleOutcome =
  | { readonly role: ListedRole; readonly approval?: undefined }
  | { readonly approval: ApprovalRequest; readonly role?: undefined };

/**
 * Writes a change of a role, or stores it as a request if it needs an approval.
 * @param change `wanted` is the form from which it is prepared again
 * @throws AppError NO_APPROVER
 */
export async function writeOrAsk(
  deps: TenantDeps,
  tx: Tx,
  ctx: RequestContext,
  administration: Administration,
  change: { prepared: PreparedRole; wanted: Json; via: 'api' | 'operator' },
): Promise<RoleOutcome> {
  const { prepared, wanted, via } = change;
  if (!needsSecond(administration, prepared.privileged)) {
    return { role: await prepared.write(ctx, { via }) };
  }
  const request = { kind: 'role' as const, wanted, prepared };
  return { approval: await requestApproval(deps, tx, ctx, administration, request) };
}
