import { recordAudit } from '../../audit';
import type { AuditEvent } from '../../audit';
import type { Principal, RequestContext } from '../../context';
import type { ImpersonationRefusal } from '../../impersonationRefusals';
import type { Kernel } from '../../kernel';
import { createQuietCounter } from '../../quietCounter';

/** A key of a program that is or was good, and that was refused. */
export interface RefusedKey {
  /** Null for a service key. */
  tenantId: string | null;
  actor: string;
  subject: string;
  /** `holder`: the holder has no access any more. `rotated`: the text before the last rotation. */
  reason: 'address' | 'holder' | 'revoked' | 'expired' | 'rotated';
}

/** The start of an impersonation, or a request in one, that was refused. */
export interface RefusedImpersonation {
  tenantId: string;
  /** The member who acts, or wanted to. */
  actor: string;
  subject: string;
  /** The member as whom. */
  onBehalfOf: string;
  refusal: ImpersonationRefusal;
  route?: string;
}

export interface DenialRecorder {
  /** Records that a permission was missing, or counts it towards the next event. */
  record(ctx: RequestContext, principal: Principal, permission: string): Promise<void>;
  /** Records that a known key was refused, or counts it towards the next event. */
  recordKey(ctx: RequestContext, refused: RefusedKey): Promise<void>;
  /** Records that an impersonation was refused, or counts it towards the next event. */
  recordImpersonation(ctx: RequestContext, refused: RefusedImpersonation): Promise<void>;
}

/**
 * Creates a recorder of refused permissions, with person and tenant, and of refused keys. A client
 * that asks thousands of times must not flood the audit log, so each node records one event per
 * minute for the same person and permission, or for the same key and reason; the next event counts
 * the refusals in between. Refusals after the last event are not recorded if the client stops. If an
 * event cannot be stored, its refusals are counted in the next one, and the next refusal tries again.
 */
export function createDenialRecorder(deps: Pick<Kernel, 'db' | 'clock'>): DenialRecorder {
  const count = createQuietCounter(deps);
  const write = (ctx: RequestContext, event: AuditEvent) =>
    deps.db.transaction((tx) => recordAudit(tx, ctx, event));
  return {
    record: (ctx, { tenantId, staffId, apiKeyId = '' }, permission) =>
      count(`${tenantId}/${ctx.actor}/${staffId}/${apiKeyId}/${permission}`, (repeated) =>
        write(ctx, {
          action: 'PERMISSION_DENIED',
          outcome: 'denied',
          subject: `staff:${staffId}`,
          details: { permission, repeated },
        }),
      ),
    recordKey: (ctx, { reason, ...refused }) =>
      count(`${refused.subject}/${reason}`, (repeated) =>
        write(ctx, {
          action: 'API_KEY_REFUSED',
          outcome: 'denied',
          ...refused,
          details: { reason, repeated },
        }),
      ),
    recordImpersonation: (ctx, { refusal, route, ...refused }) =>
      count(
        `${refused.actor}/${refused.onBehalfOf}/${refused.subject}/${refusal}/${route ?? ''}`,
        (repeated) =>
          write(ctx, {
            action: 'IMPERSONATION_REFUSED',
            outcome: 'denied',
            ...refused,
            details: { refusal, ...(route === undefined ? {} : { route }), repeated },
          }),
      ),
  };
}
