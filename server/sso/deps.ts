import { promises } from 'node:dns';
import { SECOND_MS } from '../durations';
import type { Kernel } from '../kernel';
import type { TenantDeps } from '../tenants';
import type { TargetRules } from './fetchTarget';
import { createGuardedFetch } from './guardedFetch';
import type { GuardedFetch } from './guardedFetch';

/** The parts that this area adds. */
export interface SsoParts {
  /** The rules for the addresses of identity providers. */
  ssoTargets: TargetRules;
  /** Asks identity providers, and nothing within the operator's network. */
  ssoFetch: GuardedFetch;
}

/** The dependencies that functions of `sso/` may ask for. */
export type SsoDeps = TenantDeps & SsoParts;

/** One question to the DNS may take this long; then it is asked once more. */
const DNS_TIMEOUT_MS = SECOND_MS;
const DNS_TRIES = 2;

/**
 * Creates the parts of this area. They open no connection.
 * @param options.ssoFetch replaces the requests to providers in tests
 */
export function openSso({
  config,
  ssoFetch,
}: Pick<Kernel, 'config'> & { ssoFetch: GuardedFetch | undefined }): SsoParts {
  const resolver = new promises.Resolver({ timeout: DNS_TIMEOUT_MS, tries: DNS_TRIES });
  if (config.dnsServers.length > 0) resolver.setServers(config.dnsServers);
  const ssoTargets = { allowed: config.ssoAllowedHosts, allowsHttp: !config.production };
  return { ssoTargets, ssoFetch: ssoFetch ?? createGuardedFetch({ resolver, ...ssoTargets }) };
}
