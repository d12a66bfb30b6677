import { authenticateKey, authenticateService } from './apiKeys';
import type { Deps } from './deps';
import type { Services } from './http/services';
import { countRequest } from './limits';
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
    authenticate: (token) => deps.sessionCheck.check(deps.accessTokens.read(token)),
    authenticateKey: (ctx, key) => authenticateKey(deps, ctx, key),
    authenticateService: (ctx, key) => authenticateService(deps, ctx, key),
    countRequest: (caller) => countRequest(deps, caller),
    findEnrollee: (challengeId) => findEnrollee(deps, challengeId),
    readBoundChallenge: (challenge, device) =>
      readBoundChallenge(deps, challenge, identifyDevice(keys, random, device, null)),
    recordDenial: (ctx, principal, permission) => deps.denials.record(ctx, principal, permission),
    passStepUp: (ctx, principal, gate) => assertStepUp(deps, ctx, principal, gate),
  };
}
