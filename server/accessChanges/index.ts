export { changeRoutes } from './changeRoutes';
export { purgeChanges } from './changeStore';
export { openChangeReader } from './openChangeReader';
export type { AccessChangeParts } from './deps';
