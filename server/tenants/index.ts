export { administer } from './administer';
export type { Authority } from './administer';
export { assertAdministratorLeft } from './administration';
export { apiKeyRoutes } from './apiKeys/apiKeyRoutes';
export { listApiKeys } from './apiKeys/listApiKeys';
export { revokeApiKey } from './apiKeys/revokeApiKey';
export { API_KEY_STATUSES } from './apiKeys/apiKeyStore';
export { approvalRoutes } from './approvalRoutes';
export { APPROVAL_STATUSES } from './approvalStore';
export { lockMembers, readNeedsApproval } from './administrationStore';
export { lockTenant } from './lifecycleStore';
export { refuseRequest } from './decideApproval';
export { listApprovals, showApproval } from './listApprovals';
export { changeTenantPolicy } from './tenantPolicy';
export { changeAccess } from './changeAccess';
export type { PermissionChange } from './changeAccess';
export { changeMembershipEnd } from './changeMembershipEnd';
export { disableStaff, enableStaff, endMembership } from './changeStaffStatus';
export { forceLogout } from './forceLogout';
export { forceLogoutAll } from './forceLogoutAll';
export { endForGood, removeStaff } from './removeStaff';
export { resetFactors } from './resetFactors';
export { findMembershipByEmail, reviveStaff } from './joinStore';
export type { DirectoryAct, LockedMember } from './staffAct';
export { provenanceOf } from './staffAct';
export { endPendingChanges } from './addressStore';
export { changeEmail, renameStaff } from './changeEmail';
export type { TenantDeps, TenantParts } from './deps';
export { endMemberships, watchMemberships } from './endMemberships';
export { createInvitation, invitationInput } from './createInvitation';
export { invitationLinkRoutes } from './invitationLinkRoutes';
export { invitationRoutes, showSent } from './invitationRoutes';
export { INVITATION_STATUSES } from './invitationStore';
export { listInvitations } from './listInvitations';
export { resendInvitation } from './resendInvitation';
export { revokeInvitation } from './revokeInvitation';
export { countDeviations, listCollisions, normalizeAddresses } from './normalizeAddresses';
export { insertPersonWithoutPassword } from './insertPersonWithoutPassword';
export { createStaff, createStaffOfExisting } from './createStaff';
export { compareDeclared, summarize } from './compareDeclared';
export { comparePermissionsFile } from './comparePermissionsFile';
export { declarePermissions } from './declarePermissions';
export { listPermissions } from './knownPermissions';
export { readPermissionsFile } from './permissionsFile';
export { listDeclared } from './permissionStore';
export { changeRole } from './changeRole';
export { createRole } from './createRole';
export { listRoles } from './listRoles';
export type { ListedRole } from './listRoles';
export { removeRole } from './removeRole';
export { oneLine, roleInput } from './roleInput';
export type { RoleInput } from './roleInput';
export { roleRoutes } from './roleRoutes';
export { deleteTenant, restoreTenant, suspendTenant } from './closeTenant';
export { createTenant, tenantInput } from './createTenant';
export { renameTenant } from './renameTenant';
export { showTenant } from './showTenant';
export { tenantRoutes } from './tenantRoutes';
export { listStaff } from './listStaff';
export type { StaffView } from './listStaff';
export type { StaffFilter } from './staffListStore';
export { endSessionOfMember, listSessionsOf } from './staffSessions';
export { setPassword } from './setPassword';
export {
  findStaffByEmail,
  findStaffById,
  findTenantBySlug,
  hasAnyTenant,
  insertStaff,
  lockStaffMember,
  markEnabled,
  listTenantPage,
  listTenants,
  readMembership,
} from './tenantStore';
export { actOnMember } from './staffAct';
export type { StaffAct } from './staffAct';
export { staffRoutes } from './staffRoutes';
