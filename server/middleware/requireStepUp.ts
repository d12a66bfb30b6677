import type { RequestHandler } from 'express';
import type { StepUpPurpose } from '../db/schema';
import { assertStepUp } from '../security';
import { contextOf, depsOf, principalOf } from './request';

/** Works with `NODE_ENV=test` alone; in any other mode the header does nothing. */
const TEST_BYPASS = 'x-stepup-test-bypass';

/**
 * Guards a route with a fresh step-up for one purpose in this session. It stands behind `authenticate` and
 * `requirePermission`: tenant, then permission, then step-up.
 * @param windowSec how old the proof may be, in seconds; 600 unless the tenant's policy says otherwise
 */
export function requireStepUp(purpose: StepUpPurpose, windowSec?: number): RequestHandler {
  return async (req, _res, next) => {
    const principal = principalOf(req);
    const deps = depsOf(req);
    const bypassed = deps.config.nodeEnv === 'test' && req.headers[TEST_BYPASS] === '1';
    req.stepUpProof = bypassed
      ? null
      : await assertStepUp(deps, contextOf(req), principal, purpose, windowSec);
    next();
  };
}
