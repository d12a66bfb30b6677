import type { IpRuleParts } from '../ipRules';
import type { MailDeps } from '../mail';
import type { Breaker } from './risk/breaker';
import type { GeoLookup } from './risk/geo';
import type { IpLists } from './risk/ipLists';
import type { DenialRecorder } from './risk/recordDenials';
import type { RiskDecisionLog } from './risk/riskDecisionLog';
import type { RiskFactsCache } from './risk/riskFacts';
import type { RiskPolicies } from './risk/policyCache';

/** The parts that the risk gate and the step-up add. */
export interface SecurityParts {
  geo: GeoLookup;
  ipLists: IpLists;
  riskFacts: RiskFactsCache;
  riskPolicies: RiskPolicies;
  riskBreaker: Breaker;
  riskDecisions: RiskDecisionLog;
  /** Records refused permissions. */
  denials: DenialRecorder;
}

/** The dependencies that functions of `security/` may ask for. */
export type SecurityDeps = MailDeps & IpRuleParts & SecurityParts;
