import { authenticateKey } from '../apiKeys';
import { admitPerson } from '../auth';
import type { Principal, RequestContext } from '../context';
import { AppError } from '../errors';
import { looksLikeKey } from '../keyText';
import { assertStepUp } from '../security';
import { signAssertion } from './assertions';
import type { ListedPermissions } from './assertions';
import type { IntrospectionDeps } from './deps';
import { withClientAddress } from './findCaller';
import { contextOfCaller, mayUseMethod, refuseImpersonated } from './impersonatedCaller';

/** The question of a gateway about one request of its client. */
export interface GatewayQuestion {
  token: string;
  /** The address of the client, as the gateway reports it. */
  address: string | null;
  /** All of them are needed. */
  permissions: readonly string[];
  purpose: `app:${string}` | undefined;
  windowSec: number | undefined;
  /** The method of the request, if the gateway's configuration reports it. */
  method: string | undefined;
}

async function identify(
  deps: IntrospectionDeps,
  ctx: RequestContext,
  token: string,
): Promise<Principal> {
  if (looksLikeKey(token)) return authenticateKey(deps, ctx, token, { slowly: false });
  return admitPerson(deps, ctx, token);
}

/**
 * The list stands in a header, and once more in the assertion. nginx reads the headers of an answer
 * into one buffer, and many servers accept 8 kB of headers, with those of the client.
 */
const LONGEST_LIST = 2048;

/**
 * Lists all permissions, or only those that the question asked for if all would be too long. So an
 * API that does not know of the limit refuses too much, and never too little.
 */
function listPermissions(principal: Principal, asked: readonly string[]): ListedPermissions {
  const all = [...principal.permissions].sort();
  if (all.join(' ').length <= LONGEST_LIST) return { permissions: all, partial: false };
  return { permissions: all.filter((name) => asked.includes(name)), partial: true };
}

/**
 * Decides whether a gateway may let a request through.
 * @returns the headers for the upstream
 * @throws AppError UNAUTHENTICATED, FORCE_LOGOUT, KEY_ADDRESS_REFUSED, FORBIDDEN, PERSON_REQUIRED,
 * IMPERSONATION_REFUSED; STEP_UP_REQUIRED with a challenge; IP_BLOCKED, IP_RULES_UNAVAILABLE; the
 * driver's error if the database could not be asked
 */
export async function forwardAuth(
  deps: IntrospectionDeps,
  asked: RequestContext,
  question: GatewayQuestion,
): Promise<Readonly<Record<string, string>>> {
  const theirs = withClientAddress(deps, asked, question.address);
  const principal = await identify(deps, theirs, question.token);
  const ctx = contextOfCaller(theirs, principal);
  if (!mayUseMethod(principal, question.method)) {
    return refuseImpersonated(deps, ctx, principal, 'route');
  }
  const missing = question.permissions.find((name) => !principal.permissions.includes(name));
  if (missing !== undefined) {
    await deps.denials.record(ctx, principal, missing);
    throw new AppError('FORBIDDEN', { detail: `This needs the permission ${missing}.` });
  }
  const { purpose, windowSec } = question;
  if (purpose !== undefined) {
    if (principal.apiKeyId !== undefined) throw new AppError('PERSON_REQUIRED');
    if (principal.impersonation) return refuseImpersonated(deps, ctx, principal, 'step_up');
    await assertStepUp(deps, ctx, principal, { purpose, windowSec });
  }
  const listed = listPermissions(principal, question.permissions);
  return {
    'x-gatehouse-user': principal.userId,
    'x-gatehouse-tenant': principal.tenant.slug,
    'x-gatehouse-tenant-id': principal.tenantId,
    'x-gatehouse-staff': principal.staffId,
    ...(principal.sessionId === null ? {} : { 'x-gatehouse-session': principal.sessionId }),
    'x-gatehouse-permissions': listed.permissions.join(' '),
    ...(listed.partial ? { 'x-gatehouse-permissions-partial': 'true' } : {}),
    'x-gatehouse-assertion': signAssertion(deps, principal, listed),
  };
}
