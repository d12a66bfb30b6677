import type { Turns } from '../backgroundTurns';
import type { Kernel } from '../kernel';
import type { MailParts } from '../mail';
import { createTxtLookup } from './txtLookup';
import type { TxtLookup } from './txtLookup';
import { watchDomains } from './watchDomains';

/** The parts that this area adds. */
export interface DomainParts {
  lookUpTxt: TxtLookup;
  /** Looks at proven domains again. */
  domainChecks: Turns;
}

/** The dependencies that functions of `domains/` may ask for. */
export type DomainDeps = Kernel & MailParts & DomainParts;

/** Creates the parts of this area. */
export function openDomains(
  deps: Pick<Kernel, 'config' | 'db' | 'clock' | 'random' | 'keys' | 'logger' | 'metrics'> &
    MailParts,
): DomainParts {
  const lookUpTxt = createTxtLookup(deps.config.dnsServers);
  return { lookUpTxt, domainChecks: watchDomains({ ...deps, lookUpTxt }) };
}
