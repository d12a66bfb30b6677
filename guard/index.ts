export { UnclearAct, toAct } from './guardedAct';
export type { ActParts } from './guardedAct';
export * from './guardContract';
export { createGuard } from './guard';
export type { Guard } from './guard';
