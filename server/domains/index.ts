export { checkAllDomains } from './checkDomain';
export { openDomains } from './deps';
export type { DomainParts } from './deps';
export { domainRoutes } from './domainRoutes';
export { findProvenDomain, hasProvenDomain } from './provenDomainStore';
export { showDomains } from './showDomains';
export { removeAllDomains } from './removeDomain';
