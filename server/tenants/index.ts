export { changePermissions } from './changePermissions';
export type { PermissionChange } from './changePermissions';
export { disableStaff, enableStaff } from './changeStaffStatus';
export { createStaff, objectionToPassword } from './createStaff';
export { createTenant } from './createTenant';
export { findStaffByEmail, findTenantBySlug, hasAnyTenant } from './store';
