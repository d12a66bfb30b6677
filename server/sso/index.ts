export { deleteConnection } from './deleteConnection';
export { openSso } from './deps';
export type { SsoParts } from './deps';
export { listConnections } from './showConnections';
export { ssoRoutes } from './ssoRoutes';
export { memberIdentityRoutes, ownIdentityRoutes, tryRoutes } from './signIn/identityRoutes';
export { purgeSsoAttempts } from './signIn/purgeAttemptStore';
export { ssoSignInRoutes } from './signIn/ssoSignInRoutes';
