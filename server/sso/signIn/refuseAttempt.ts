import { recordAudit } from '../../audit';
import type { SsoRefusal } from '../../audit';
import type { RequestContext } from '../../context';
import type { SsoAttemptKind } from '../../db/schema';
import { inTenant } from '../../db/tenantScope';
import type { SsoDeps } from '../deps';
import { finishAttempt } from './ssoAttemptStore';

type RefuseDeps = Pick<SsoDeps, 'db' | 'metrics'>;

interface RefusedAttempt {
  readonly tenantId: string;
  readonly connectionId: string;
  /** Absent if no attempt was found. */
  readonly attempt?:
    | {
        readonly id: string;
        readonly kind: SsoAttemptKind;
        readonly staffId: string | null;
        readonly sessionId: string | null;
      }
    | undefined;
  readonly claimsSealed?: Buffer | null;
}

/** Ends an attempt with the reason of its refusal, and records the reason for the tenant alone. */
export async function refuseAttempt(
  { db, metrics }: RefuseDeps,
  ctx: RequestContext,
  { tenantId, connectionId, attempt, claimsSealed = null }: RefusedAttempt,
  reason: SsoRefusal,
): Promise<void> {
  metrics.ssoSignIns.inc({ outcome: reason });
  const { staffId = null, sessionId = null } = attempt ?? {};
  await inTenant(db, tenantId, async (tx) => {
    if (attempt) {
      await finishAttempt(tx, tenantId, { id: attempt.id, outcome: reason, claimsSealed });
    }
    await recordAudit(tx, ctx, {
      action: 'SSO_SIGN_IN_FAILED',
      outcome: 'failure',
      tenantId,
      ...(staffId === null ? {} : { actor: staffId }),
      sessionId,
      subject: `sso-connection:${connectionId}`,
      details: { connectionId, ...(attempt && { kind: attempt.kind }), reason },
    });
  });
}
