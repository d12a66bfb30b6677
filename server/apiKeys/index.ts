export { isWider } from './allowedAddresses';
export {
  authenticateKey,
  authenticateService,
  checkTenantKey,
  toKeyPrincipal,
} from './authenticateProgram';
export { createProgramKeys } from './deps';
export type { ProgramKeyParts } from './deps';
export { LIVE_KEY, revokeKey } from './endKeyStore';
export { endKeysOfForcedEnd, endKeysOfHolder, endKeysOfTenant } from './endKeys';
export { DEFAULT_DAYS, addressList, daysField, overlapField } from './keyInput';
export { makeSecret } from './newSecret';
