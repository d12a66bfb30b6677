export { changeAccess } from './changeAccess';
export type { PermissionChange } from './changeAccess';
export { disableStaff, enableStaff } from './changeStaffStatus';
export { forceLogout } from './forceLogout';
export { forceLogoutAll } from './forceLogoutAll';
export { removeStaff } from './removeStaff';
export { resetFactors } from './resetFactors';
export { renameStaff } from './changeEmail';
export { countDeviations, listCollisions, normalizeAddresses } from './normalizeAddresses';
export { createStaff, createStaffOfExisting } from './createStaff';
export { roleRoutes } from './roleRoutes';
export { createTenant } from './createTenant';
export { setPassword } from './setPassword';
export {
  findStaffByEmail,
  findStaffById,
  findTenantBySlug,
  hasAnyTenant,
  listTenants,
  readMembership,
} from './tenantStore';
