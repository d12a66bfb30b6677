import type { Request } from 'express';
import type { StepUpPurpose } from '../db/schema';
import { guard } from './routeTable';
import type { Guard } from './routeTable';
import { AppError } from '../errors';
import { toAct } from './act';
import { contextOf, principalOf } from './request';

/** Works only with `NODE_ENV=test`; in any other mode the header is ignored. */
const TEST_BYPASS = 'x-stepup-test-bypass';

export interface StepUpOptions {
  /** The greatest age of the proof in seconds; 600 unless the tenant's policy has another value. */
  windowSec?: number;
  /** The proof is for exactly this request (method, route, target, body), which consumes it. */
  act?: boolean;
  /**
   * A person without a factor passes without a proof, because the first factor has nothing to be
   * proven with.
   */
  firstFactor?: boolean;
}

/** Returns the act of a request; its body was parsed before, but not validated. */
const actOf = (req: Request) =>
  toAct({
    method: req.method,
    route: String(req.res?.locals['route']),
    params: req.params,
    query: req.query,
    body: req.body as unknown,
  });

/**
 * Guards a route with a fresh step-up for one purpose in this session. Put it after `authenticate`
 * and `requirePermission`: tenant, then permission, then step-up.
 * @param options the greatest age of the proof in seconds, or an object; with `act` the body is
 * parsed before this guard, and the route's action consumes the proof with `withProof`
 */
export function requireStepUp(purpose: StepUpPurpose, options: number | StepUpOptions = {}): Guard {
  const { windowSec, act, firstFactor } =
    typeof options === 'number' ? { windowSec: options } : options;
  const facts = { stepUp: purpose, errors: ['STEP_UP_REQUIRED'] as const };
  const read = act ? { readsBody: true as const } : {};
  return guard({ ...facts, ...read }, async (req, _res, next) => {
    const principal = principalOf(req);
    // A program has no factor, and nobody's proof is meant for it.
    if (principal.apiKeyId !== undefined) throw new AppError('PERSON_REQUIRED');
    // A proof would be the actor's, and the act somebody else's.
    if (principal.impersonation) {
      throw new AppError('IMPERSONATION_REFUSED', { extra: { refusal: 'step_up' } });
    }
    const gate = { purpose, windowSec, firstFactor, act: act ? actOf(req) : undefined };
    const bypassed = req.services.config.nodeEnv === 'test' && req.headers[TEST_BYPASS] === '1';
    req.stepUp = bypassed
      ? { by: 'test_bypass', gate }
      : await req.services.passStepUp(contextOf(req), principal, gate);
    next();
  });
}
