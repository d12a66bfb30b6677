import { recordAudits } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import type { RevokeReason } from '../db/schema';
import { revokeKeysOfHolder, revokeKeysOfSessions, revokeKeysOfTenant } from './endKeyStore';
import type { EndedKey } from './endKeyStore';

type EndReason = 'forced_end' | 'holder_left' | 'tenant_deleted';

async function recordEnds(
  tx: Tx,
  ctx: RequestContext,
  tenantId: string,
  ended: readonly EndedKey[],
  reason: EndReason,
): Promise<number> {
  await recordAudits(
    tx,
    ctx,
    ended.map(({ id, staffId }) => ({
      action: 'API_KEY_REVOKED',
      outcome: 'success',
      tenantId,
      subject: `api-key:${id}`,
      details: { reason, holder: staffId },
    })),
  );
  return ended.length;
}

/** The reasons of a session's end after which somebody else may have had it. */
const FORCED: readonly RevokeReason[] = ['reuse_detected', 'security_event', 'force_logout'];

/**
 * Revokes the keys whose secret was issued in a session that was forcibly ended: a thief who had
 * the session may have the key. A key whose secret before a rotation is still valid ends too. Call
 * it in the transaction that ended the sessions, after their rows were marked. Without the table of
 * sessions, every key of the member ends.
 * @param what `since`: keys issued since then end as well
 * @returns how many were revoked
 */
export async function endKeysOfForcedEnd(
  tx: Tx,
  ctx: RequestContext,
  mode: 'normal' | 'degraded',
  tenantId: string,
  what: { staffId: string; since: Date | null },
): Promise<number> {
  const query = { ...what, actor: ctx.actor };
  const ended =
    mode === 'normal'
      ? await revokeKeysOfSessions(tx, tenantId, { ...query, reasons: FORCED })
      : await revokeKeysOfHolder(tx, tenantId, query);
  return recordEnds(tx, ctx, tenantId, ended, 'forced_end');
}

/** Revokes all keys of a member who leaves the tenant, and returns how many there were. */
export async function endKeysOfHolder(
  tx: Tx,
  ctx: RequestContext,
  tenantId: string,
  staffId: string,
): Promise<number> {
  const ended = await revokeKeysOfHolder(tx, tenantId, { staffId, actor: ctx.actor });
  return recordEnds(tx, ctx, tenantId, ended, 'holder_left');
}

/** Revokes all keys of a tenant that is deleted, and returns how many there were. */
export async function endKeysOfTenant(
  tx: Tx,
  ctx: RequestContext,
  tenantId: string,
): Promise<number> {
  const ended = await revokeKeysOfTenant(tx, tenantId, ctx.actor);
  return recordEnds(tx, ctx, tenantId, ended, 'tenant_deleted');
}
