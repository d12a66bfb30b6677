export { createStaff, objectionToPassword } from './createStaff';
export { createTenant } from './createTenant';
export { findStaffByEmail, findTenantBySlug, hasAnyTenant } from './store';
