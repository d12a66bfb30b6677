export { deleteConnection } from './deleteConnection';
export { openSso } from './deps';
export type { SsoParts } from './deps';
export { listConnections } from './showConnections';
export { ssoRoutes } from './ssoRoutes';
