import type { Principal, RequestContext } from '../context';
import { AppError } from '../errors';
import type { IntrospectionDeps } from './deps';

/** Names the caller in the context, as in a request to this server's own routes. */
export function contextOfCaller(ctx: RequestContext, principal: Principal): RequestContext {
  const { tenantId, staffId, sessionId, apiKeyId, impersonation } = principal;
  if (!impersonation) {
    const key = apiKeyId === undefined ? {} : { apiKeyId };
    return { ...ctx, tenantId, actor: staffId, sessionId, ...key };
  }
  const { id: impersonationId, actor } = impersonation;
  const onBehalfOf = { staffId, impersonationId };
  return { ...ctx, tenantId, actor: actor.staffId, onBehalfOf, sessionId: actor.sessionId };
}

const DETAILS = {
  route: 'While you act as somebody else, you can only read: GET and HEAD.',
  step_up: 'An impersonation has no step-up. Stop it, and do this as yourself.',
} as const;

/**
 * Refuses a request of somebody who acts as another member, and records it.
 * @param ctx names both people
 * @throws AppError IMPERSONATION_REFUSED
 */
export async function refuseImpersonated(
  { denials }: Pick<IntrospectionDeps, 'denials'>,
  ctx: RequestContext,
  { tenantId, staffId, impersonation }: Principal,
  refusal: keyof typeof DETAILS,
): Promise<never> {
  await denials.recordImpersonation(ctx, {
    ...{ tenantId, actor: ctx.actor, onBehalfOf: staffId, refusal },
    subject: `impersonation:${impersonation?.id ?? ''}`,
  });
  throw new AppError('IMPERSONATION_REFUSED', { detail: DETAILS[refusal], extra: { refusal } });
}

const READS = ['GET', 'HEAD'];

/** Returns whether an impersonation may send a request with this method; if it is unknown, only one of the scope full. */
export const mayUseMethod = ({ impersonation }: Principal, method: string | undefined): boolean =>
  !impersonation ||
  impersonation.scope === 'full' ||
  (method !== undefined && READS.includes(method));
