import type { Request } from 'express';
import type { StepUpPurpose } from '../db/schema';
import type { Guard } from '../routeTable';
import { assertStepUp, toAct } from '../security';
import { contextOf, depsOf, principalOf } from './request';

/** Works with `NODE_ENV=test` alone; in any other mode the header does nothing. */
const TEST_BYPASS = 'x-stepup-test-bypass';

export interface StepUpOptions {
  /** How old the proof may be, in seconds; 600 unless the tenant's policy says otherwise. */
  windowSec?: number;
  /** The proof is for this very request (method, route, target, body), and used up by it. */
  act?: boolean;
  /** Somebody without a factor passes without a proof: there is nothing to prove the first one with. */
  firstFactor?: boolean;
}

/** The request as one act; the body was parsed before, unchecked. */
const actOf = (req: Request) =>
  toAct({
    method: req.method,
    route: String(req.res?.locals['route']),
    params: req.params,
    query: req.query,
    body: req.body as unknown,
  });

/**
 * Guards a route with a fresh step-up for one purpose in this session. It stands behind `authenticate` and
 * `requirePermission`: tenant, then permission, then step-up.
 * @param options seconds, or more; with `act` the body is read before this guard, and the route's action spends the proof
 *   with `withProof`
 */
export function requireStepUp(purpose: StepUpPurpose, options: number | StepUpOptions = {}): Guard {
  const { windowSec, act, firstFactor } =
    typeof options === 'number' ? { windowSec: options } : options;
  const guard: Guard = async (req, _res, next) => {
    const principal = principalOf(req);
    const deps = depsOf(req);
    const gate = { purpose, windowSec, firstFactor, act: act ? actOf(req) : undefined };
    const bypassed = deps.config.nodeEnv === 'test' && req.headers[TEST_BYPASS] === '1';
    req.stepUp = bypassed
      ? { by: 'test_bypass', gate }
      : await assertStepUp(deps, contextOf(req), principal, gate);
    next();
  };
  return act ? Object.assign(guard, { readsBody: true as const }) : guard;
}
