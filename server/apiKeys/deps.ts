import type { Kernel } from '../kernel';
import type { IpRuleParts } from '../ipRules';
import type { DenialRecorder } from '../security';
import { createKeyFinder } from './keyFinder';
import type { KeyFinder } from './keyFinder';
import { readServiceKeys, readTenantKeys } from './liveKeyStore';
import type { ServiceKeyState, TenantKeyState } from './liveKeyStore';

/** The parts that keys of programs add. */
export interface ProgramKeyParts {
  tenantKeys: KeyFinder<TenantKeyState>;
  serviceKeys: KeyFinder<ServiceKeyState>;
}

/** The dependencies that functions of `apiKeys/` may ask for. */
export type ProgramKeyDeps = Kernel &
  ProgramKeyParts &
  Pick<IpRuleParts, 'ipRules' | 'ipRefusals'> & { denials: DenialRecorder };

/** Creates the finders of both kinds of keys. */
export const createProgramKeys = (
  deps: Pick<Kernel, 'pool' | 'keys' | 'logger' | 'metrics'>,
): ProgramKeyParts => ({
  tenantKeys: createKeyFinder(deps, 't', 'api_keys', (hashes) => readTenantKeys(deps.pool, hashes)),
  serviceKeys: createKeyFinder(deps, 's', 'service_keys', (hashes) =>
    readServiceKeys(deps.pool, hashes),
  ),
});
