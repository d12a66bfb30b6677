export { countImpersonated } from './countImpersonated';
export type { ImpersonationParts } from './deps';
export { endOverImpersonations, watchImpersonations } from './endOverImpersonations';
export { purgeImpersonations } from './purgeStore';
export { endByOperator, listRunning } from './operateImpersonations';
export { impersonationRoutes, mayAskToAct } from './impersonationRoutes';
