export { changePermissions } from './changePermissions';
export type { PermissionChange } from './changePermissions';
export { disableStaff, enableStaff } from './changeStaffStatus';
export { countUnnormalized } from './addressStore';
export { renameStaff } from './changeEmail';
export { listCollisions, normalizeAddresses } from './normalizeAddresses';
export { createStaff, objectionToPassword } from './createStaff';
export { createTenant } from './createTenant';
export { findStaffByEmail, findStaffById, findTenantBySlug, hasAnyTenant } from './store';
