import { createHash } from 'node:crypto';
import { canonicalJson } from '../../tlog/canonicalJson';
import { recordAudit } from '../audit';
import type { Principal, RequestContext } from '../context';
import { SECOND_MS } from '../durations';
import { AppError } from '../errors';
import type { Act, Passage } from '../http/passage';
import { assertStepUp, withProof } from '../security';
import type { IntrospectionDeps } from './deps';
import { findCaller, whyRefused } from './findCaller';
import type { FindDeps } from './findCaller';
import { contextOfCaller, refuseImpersonated } from './impersonatedCaller';

type ProveDeps = FindDeps &
  Pick<IntrospectionDeps, 'db' | 'keys' | 'clock' | 'random' | 'config' | 'mail' | 'riskPolicies'>;

/** The step-up that a route of the team's own API asks for. */
export interface AskedStepUp {
  /** The id of the service key that asks. */
  service: string;
  token: string;
  purpose: `app:${string}`;
  windowSec?: number | undefined;
  act?: Act | undefined;
  /** The address of the service's client. */
  address?: string | undefined;
  consume: boolean;
}

/**
 * An act of the team's API is stored in a form that no act of this server's own routes can have. It
 * names the service: two services may have the same route, and a proof for one is none for the other.
 */
const toOwnAct = ({ name, digest }: Act, service: string): Act => ({
  name,
  digest: createHash('sha256')
    .update(canonicalJson({ actOfService: { service, name, digest } }))
    .digest('hex'),
});

const describe = (passage: Passage, now: number) => {
  if (passage.by !== 'proof') throw new AppError('STEP_UP_REQUIRED');
  const verifiedAt = passage.verifiedAt.getTime();
  const left = verifiedAt + passage.windowSec * SECOND_MS - now;
  return {
    verified_at: Math.floor(verifiedAt / SECOND_MS),
    expires_in: Math.max(0, left) / SECOND_MS,
  };
};

async function consume(
  deps: ProveDeps,
  ctx: RequestContext,
  principal: Principal,
  passage: Passage,
): Promise<void> {
  const { purpose, act } = passage.gate;
  await withProof(deps, ctx, principal, passage, async (tx, spent) => {
    if (!spent) throw new AppError('STEP_UP_REQUIRED');
    await recordAudit(tx, ctx, {
      action: 'STEP_UP_CONSUMED',
      outcome: 'success',
      tenantId: principal.tenantId,
      actor: ctx.actor,
      sessionId: principal.sessionId,
      subject: `challenge:${spent.id}`,
      details: { purpose, act: act?.name ?? '', staffId: principal.staffId },
    });
  });
}

/**
 * Answers whether a person has a fresh proof for a purpose of the team, and consumes the proof of
 * one act if it is asked to. The proof and its audit event are written in one transaction.
 * @returns inactive if the token is not valid or has ended
 * @throws AppError STEP_UP_REQUIRED with a challenge, the same as at this server's own routes;
 * PERSON_REQUIRED for an API key; IMPERSONATION_REFUSED, because an impersonation has no step-up;
 * IP_RULES_UNAVAILABLE; the driver's error if the database could not be asked
 */
export async function proveForService(deps: ProveDeps, ctx: RequestContext, asked: AskedStepUp) {
  const found = await findCaller(deps, ctx, asked.token, asked.address ?? null).catch(whyRefused);
  if (!found) return { active: false as const };
  if ('reason' in found) return { active: false as const, ...found };
  if (found.kind === 'key') throw new AppError('PERSON_REQUIRED');
  const { principal } = found;
  if (principal.impersonation) {
    return refuseImpersonated(deps, contextOfCaller(ctx, principal), principal, 'step_up');
  }
  const { purpose, windowSec } = asked;
  const act = asked.act && toOwnAct(asked.act, asked.service);
  const passage = await assertStepUp(deps, ctx, principal, { purpose, windowSec, act });
  const proven = describe(passage, deps.clock.now().getTime());
  if (asked.consume) await consume(deps, ctx, principal, passage);
  return {
    active: true as const,
    passed: true as const,
    purpose,
    ...proven,
    consumed: asked.consume,
  };
}
