import { invalidateSessions, withSessionTable } from '../../auth';
import type { SessionMode } from '../../auth';
import type { Principal, RequestContext } from '../../context';
import type { Tx } from '../../db';
import { assertRowId } from '../../db/ids';
import { AppError } from '../../errors';
import type { Passage } from '../../http/passage';
import { endLinks, listLinks } from '../../identities';
import type { LinkRow } from '../../identities';
import { withProof } from '../../security';
import { actOnMember, findStaffById } from '../../tenants';
import type { StaffAct } from '../../tenants';
import type { SsoDeps } from '../deps';

interface LinkOfMember {
  readonly tenantId: string;
  readonly staffId: string;
  readonly linkId: string;
}

/** Shows a link. */
export const showLink = ({
  id,
  issuer,
  subject,
  connectionId,
  how,
  linkedAt,
  lastUsedAt,
}: LinkRow) => ({
  ...{ id, issuer, subject, connectionId, how, linkedAt, lastUsedAt },
});

/**
 * Lists the identities that sign a member in.
 * @throws AppError NOT_FOUND if the tenant has no such member
 */
export async function listIdentities(
  { db }: Pick<SsoDeps, 'db'>,
  { tenantId, staffId }: Pick<LinkOfMember, 'tenantId' | 'staffId'>,
) {
  assertRowId(staffId);
  if (!(await findStaffById(db, tenantId, staffId))) throw new AppError('NOT_FOUND');
  return (await listLinks(db, tenantId, staffId)).map(showLink);
}

/** Ends a link and every session of its member: a session that it has opened must not outlive it. */
async function unlink(
  deps: Pick<SsoDeps, 'clock'>,
  tx: Tx,
  ctx: RequestContext,
  mode: SessionMode,
  { tenantId, staffId, linkId }: LinkOfMember,
): Promise<void> {
  const why = { reason: 'unlinked', via: 'api' } as const;
  const ended = await endLinks(tx, ctx, tenantId, { staffId, id: linkId }, why);
  if (ended === 0) throw new AppError('NOT_FOUND');
  const what = { staffId, reason: 'manual' as const, now: deps.clock.now() };
  await invalidateSessions(tx, ctx, mode, tenantId, what);
}

/**
 * Ends a link of the caller, and signs them out everywhere.
 * @throws AppError NOT_FOUND, also for a link of somebody else; STEP_UP_REQUIRED
 */
export async function unlinkOwnIdentity(
  deps: SsoDeps,
  ctx: RequestContext,
  { principal, passage }: { principal: Principal; passage: Passage },
  linkId: string,
): Promise<void> {
  assertRowId(linkId);
  const { tenantId, staffId } = principal;
  await withSessionTable(deps, (mode) =>
    withProof(deps, ctx, principal, passage, (tx) =>
      unlink(deps, tx, ctx, mode, { tenantId, staffId, linkId }),
    ),
  );
  deps.riskFacts.forget(tenantId, staffId);
}

/**
 * Ends a link of a member, and signs them out everywhere.
 * @throws AppError NOT_FOUND; what `actOnMember` throws
 */
export async function unlinkIdentityOf(
  deps: SsoDeps,
  ctx: RequestContext,
  which: LinkOfMember,
  how: StaffAct,
): Promise<void> {
  assertRowId(which.staffId);
  assertRowId(which.linkId);
  const { tenantId, staffId } = which;
  const rule = { needs: 'TENANT_STAFF_MANAGE', onSelf: true } as const;
  await actOnMember(deps, ctx, { tenantId, staffId }, how, rule, ({ tx, mode }) =>
    unlink(deps, tx, ctx, mode, which),
  );
  deps.riskFacts.forget(tenantId, staffId);
}
