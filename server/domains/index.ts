export { checkAllDomains } from './checkDomain';
export { openDomains } from './deps';
export type { DomainParts } from './deps';
export { hasProvenDomain } from './domainStore';
export { domainRoutes } from './domainRoutes';
export { showDomains } from './showDomains';
export { removeAllDomains } from './removeDomain';
