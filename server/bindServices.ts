import { authenticateKey, authenticateService } from './apiKeys';
import { admitPerson, admitToSignOut } from './auth';
import type { Deps } from './deps';
import type { Services } from './http/services';
import { countImpersonated } from './impersonation';
import { countRequest, isAtLimit } from './limits';
import { assertStepUp, findEnrollee, identifyDevice, readBoundChallenge } from './security';

/** Binds what `http/` asks for to the areas that do it. */
export function bindServices(deps: Deps): Services {
  const { config, logger, metrics, schemaGuard, proxyWatch, keys, random } = deps;
  return {
    config,
    logger,
    metrics,
    random,
    schemaGuard,
    proxyWatch,
    countryOf: (ip) => deps.geo.country(ip),
    authenticate: (ctx, token) => admitPerson(deps, ctx, token),
    authenticateToSignOut: (ctx, token) => admitToSignOut(deps, ctx, token),
    sessionOf: (token) => deps.accessTokens.sessionOf(token),
    authenticateKey: (ctx, key, options) => authenticateKey(deps, ctx, key, options),
    authenticateService: (ctx, key, options) => authenticateService(deps, ctx, key, options),
    countRequest: (caller) => countRequest(deps, caller),
    isAtLimit: (caller) => isAtLimit(deps, caller),
    findEnrollee: (ctx, challengeId) => findEnrollee(deps, ctx, challengeId),
    readBoundChallenge: (challenge, device) =>
      readBoundChallenge(deps, challenge, identifyDevice(keys, random, device, null)),
    countImpersonated: (ctx, id, act) => countImpersonated(deps, ctx, id, act),
    recordDenial: (ctx, principal, permission) => deps.denials.record(ctx, principal, permission),
    passStepUp: (ctx, principal, gate) => assertStepUp(deps, ctx, principal, gate),
  };
}
