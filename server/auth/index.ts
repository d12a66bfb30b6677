export { createAccessTokens } from './accessTokens';
export type { AccessTokens } from './accessTokens';
export { forceLogout, invalidateSessions } from './invalidateSessions';
export { createPasswordHasher } from './passwords';
export type { PasswordHasher } from './passwords';
export { authRoutes } from './routes';
export { createSessionCheck } from './sessionCheck';
export type { SessionCheck } from './sessionCheck';
export { withSessionTable } from './withSessionTable';
