export { toAct } from './act';
export type { ActParts } from './act';
export * from './contract';
export { createGuard } from './guard';
export type { Guard } from './guard';
