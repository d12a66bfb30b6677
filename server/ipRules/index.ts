export { assertAddress, enforceVerdict, judgeAddressOf } from './assertAddress';
export { showIpRules } from './changeIpRules';
export { openIpRules } from './deps';
export type { IpRuleParts } from './deps';
export { ipRuleRoutes } from './ipRuleRoutes';
export { setSuspension } from './suspendRules';
