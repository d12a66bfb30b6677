export { approvalRoutes } from './approvalRoutes';
export { APPROVAL_STATUSES } from './approvalStore';
export { readNeedsApproval } from './administrationStore';
export { refuseRequest } from './decideApproval';
export { listApprovals, showApproval } from './listApprovals';
export { changeTenantPolicy } from './tenantPolicy';
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
export { deleteTenant, restoreTenant, suspendTenant } from './closeTenant';
export { createTenant } from './createTenant';
export { renameTenant } from './renameTenant';
export { showTenant } from './showTenant';
export { tenantRoutes } from './tenantRoutes';
export { setPassword } from './setPassword';
export {
  findStaffByEmail,
  findStaffById,
  findTenantBySlug,
  hasAnyTenant,
  listTenants,
  readMembership,
} from './tenantStore';
