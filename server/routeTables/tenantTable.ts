import { authenticate, authenticateCaller, authenticateIfPresent } from '../http/authenticate';
import { requireOwnProofOfSession } from '../http/requireOwnProof';
import { requirePermission } from '../http/requirePermission';
import { requireStepUp } from '../http/requireStepUp';
import { del, get, named, post, put, tagged } from '../http/routeTable';
import { domainRoutes } from '../domains';
import { ipRuleRoutes } from '../ipRules';
import { riskRoutes } from '../security';
import { memberIdentityRoutes, ssoRoutes, tryRoutes } from '../sso';
import {
  apiKeyRoutes,
  approvalRoutes,
  invitationLinkRoutes,
  invitationRoutes,
  roleRoutes,
  staffRoutes,
  tenantRoutes,
} from '../tenants';
import type { Deps } from '../deps';
import type { Route } from '../http/routeTable';

/** The routes of the risk gate: its policy, its decisions, and the accounts that it has locked. */
function riskTable(deps: Deps): Route[] {
  const risk = named(riskRoutes(deps));
  const mayView = [authenticateCaller, requirePermission('SETTINGS_SECURITY_VIEW')];
  const mayTry = [authenticate, requirePermission('SETTINGS_SECURITY_VIEW')];
  const mayEdit = [authenticate, requirePermission('SETTINGS_SECURITY_EDIT')];
  const proven = requireStepUp('security_settings');
  return [
    get('/api/security/policy', mayView, risk.riskPolicy),
    put('/api/security/policy', [...mayEdit, proven], risk.changeRiskPolicy),
    post('/api/security/policy/simulate', mayTry, risk.simulateRiskPolicy),
    get('/api/security/locked-accounts', mayView, risk.lockedAccounts, 'read'),
    get('/api/security/risk-decisions', mayView, risk.riskDecisions, 'read'),
    get('/api/security/risk-decisions/:id', mayView, risk.riskDecision, 'read'),
    put('/api/security/risk-decisions/:id/verdict', mayEdit, risk.giveVerdict),
  ];
}

/** The routes of the IP rules of a tenant. */
function ipRuleTable(deps: Deps): Route[] {
  const rules = named(ipRuleRoutes(deps));
  const mayView = [authenticateCaller, requirePermission('SETTINGS_SECURITY_VIEW')];
  const mayTry = [authenticate, requirePermission('SETTINGS_SECURITY_VIEW')];
  const mayEdit = [authenticate, requirePermission('SETTINGS_SECURITY_EDIT')];
  const proven = requireStepUp('security_settings');
  return [
    get('/api/security/ip-rules', mayView, rules.ipRules),
    put('/api/security/ip-rules', [...mayEdit, proven], rules.replaceIpRules),
    post('/api/security/ip-rules', [...mayEdit, proven], rules.addIpRule),
    post('/api/security/ip-rules/simulate', mayTry, rules.simulateIpRules),
    post('/api/security/ip-rules/trial/confirm', [...mayEdit, proven], rules.confirmIpRuleTrial),
    del('/api/security/ip-rules/trial', [...mayEdit, proven], rules.withdrawIpRuleTrial),
    del('/api/security/ip-rules/suspension', [...mayEdit, proven], rules.resumeIpRules),
    put('/api/security/ip-rules/:id', [...mayEdit, proven], rules.changeIpRule),
    del('/api/security/ip-rules/:id', [...mayEdit, proven], rules.deleteIpRule),
  ];
}

/** The routes of the domains that a tenant proves. */
function domainTable(deps: Deps): Route[] {
  const domains = named(domainRoutes(deps));
  const mayView = [authenticateCaller, requirePermission('SETTINGS_SECURITY_VIEW')];
  const mayEdit = [authenticate, requirePermission('SETTINGS_SECURITY_EDIT')];
  const proven = requireStepUp('security_settings');
  return [
    get('/api/tenants/domains', mayView, domains.domains),
    post('/api/tenants/domains', [...mayEdit, proven], domains.addDomain),
    post('/api/tenants/domains/:id/check', [...mayEdit, proven], domains.checkDomain),
    del('/api/tenants/domains/:id', [...mayEdit, proven], domains.removeDomain),
  ];
}

/** The routes by which a tenant manages its people and their roles. */
function tenantsTable(deps: Deps): Route[] {
  const tenant = named(tenantRoutes(deps));
  const roles = named(roleRoutes(deps));
  const mayView = [authenticateCaller, requirePermission('TENANT_STAFF_VIEW')];
  const proven = requireStepUp('security_settings', { act: true });
  const mayManageRoles = [authenticate, requirePermission('TENANT_ROLES_MANAGE'), proven];
  return [
    get('/api/tenants/current', [authenticateCaller], tenant.currentTenant, 'read'),
    put('/api/tenants/current', mayManageRoles, tenant.renameCurrentTenant),

    get('/api/tenants/permissions', mayView, roles.permissions, 'read'),
    get('/api/tenants/roles', mayView, roles.roles, 'read'),
    get('/api/tenants/roles/:id', mayView, roles.role, 'read'),
    post('/api/tenants/roles', mayManageRoles, roles.createRole),
    put('/api/tenants/roles/:id', mayManageRoles, roles.changeRole),
    del('/api/tenants/roles/:id', mayManageRoles, roles.deleteRole),
  ];
}

/** The routes of approvals, and of the policy that asks for them. */
function approvalTable(deps: Deps): Route[] {
  const approvals = named(approvalRoutes(deps));
  const mayView = [authenticateCaller, requirePermission('TENANT_STAFF_VIEW')];
  const mayWithdraw = [authenticate, requirePermission('TENANT_STAFF_VIEW')];
  const proven = requireStepUp('security_settings', { act: true });
  const mayDecide = [authenticate, requirePermission('TENANT_ROLES_MANAGE'), proven];
  return [
    get('/api/tenants/current/policy', mayView, approvals.tenantPolicy),
    put('/api/tenants/current/policy', mayDecide, approvals.changeTenantPolicy),
    get('/api/tenants/approvals', mayView, approvals.approvals, 'read'),
    get('/api/tenants/approvals/:id', mayView, approvals.approval, 'read'),
    post('/api/tenants/approvals/:id/approve', mayDecide, approvals.approve),
    post('/api/tenants/approvals/:id/refuse', mayDecide, approvals.refuse),
    post('/api/tenants/approvals/:id/withdraw', mayWithdraw, approvals.withdraw),
  ];
}

/**
 * The routes of a tenant's members. Ending sessions asks for no proof, and a program may do it with
 * a key: in an emergency it must be quick, and a thief gains nothing by it.
 */
function staffTable(deps: Deps): Route[] {
  const staff = named(staffRoutes(deps));
  const identities = named(memberIdentityRoutes(deps));
  const mayView = [authenticateCaller, requirePermission('TENANT_STAFF_VIEW')];
  const mayManage = [authenticate, requirePermission('TENANT_STAFF_MANAGE')];
  const mayEnd = [authenticateCaller, requirePermission('TENANT_STAFF_MANAGE')];
  const mayManageRoles = [authenticate, requirePermission('TENANT_ROLES_MANAGE')];
  const proven = requireStepUp('security_settings', { act: true });
  return [
    get('/api/tenants/staff', mayView, staff.staff, 'read'),
    post('/api/tenants/staff/force-logout', [...mayManage, proven], staff.forceLogoutAll),
    get('/api/tenants/staff/:id', mayView, staff.member, 'read'),
    del('/api/tenants/staff/:id', [...mayManage, proven], staff.removeMember),
    put('/api/tenants/staff/:id/roles', [...mayManageRoles, proven], staff.changeRoles),
    put('/api/tenants/staff/:id/end', [...mayManage, proven], staff.changeEnd),
    post('/api/tenants/staff/:id/disable', [...mayManage, proven], staff.disableMember),
    post('/api/tenants/staff/:id/enable', [...mayManage, proven], staff.enableMember),
    post('/api/tenants/staff/:id/reset-factors', [...mayManage, proven], staff.resetFactors),
    post('/api/tenants/staff/:id/force-logout', mayEnd, staff.forceLogout),
    get('/api/tenants/staff/:id/sessions', mayView, staff.memberSessions, 'read'),
    del('/api/tenants/staff/:id/sessions/:sessionId', mayEnd, staff.endMemberSession),
    get('/api/tenants/staff/:id/identities', mayView, identities.memberIdentities),
    del(
      '/api/tenants/staff/:id/identities/:identity',
      [...mayManage, proven],
      identities.unlinkMemberIdentity,
    ),
  ];
}

/** The routes of invitations: for administrators, and for the person who was invited. */
function invitationTable(deps: Deps): Route[] {
  const ours = named(invitationRoutes(deps));
  const theirs = named(invitationLinkRoutes(deps));
  const mayView = [authenticateCaller, requirePermission('TENANT_STAFF_VIEW')];
  const mayManage = [authenticate, requirePermission('TENANT_STAFF_MANAGE')];
  const mayInvite = [...mayManage, requireStepUp('security_settings', { act: true })];
  return [
    get('/api/tenants/invitations', mayView, ours.invitations, 'read'),
    get('/api/tenants/invitations/:id', mayView, ours.invitation, 'read'),
    post('/api/tenants/invitations', mayInvite, ours.createInvitation),
    post('/api/tenants/invitations/:id/resend', mayInvite, ours.resendInvitation),
    del('/api/tenants/invitations/:id', mayManage, ours.revokeInvitation, 'act'),

    get('/api/invitations/:token', [], theirs.showInvitation),
    post('/api/invitations/:token/code', [], theirs.sendInvitationCode),
    post(
      '/api/invitations/:token/accept',
      [authenticateIfPresent, requireOwnProofOfSession],
      theirs.acceptInvitation,
    ),
    get('/invitation/:token', [], theirs.invitationPage),
    post('/invitation/:token', [], theirs.answerInvitationPage),
  ];
}

/**
 * The routes of API keys. No key passes `authenticate`, so none can manage keys. Revoking asks for
 * no proof, for the same reason as ending sessions.
 */
function apiKeyTable(deps: Deps): Route[] {
  const keys = named(apiKeyRoutes(deps));
  const mayManage = [authenticate, requirePermission('API_KEYS_MANAGE')];
  const proven = requireStepUp('security_settings', { act: true });
  return [
    get('/api/tenants/api-keys', mayManage, keys.apiKeys),
    get('/api/tenants/api-keys/:id', mayManage, keys.apiKey),
    post('/api/tenants/api-keys', [...mayManage, proven], keys.createApiKey),
    put('/api/tenants/api-keys/:id', [...mayManage, proven], keys.changeApiKey),
    post('/api/tenants/api-keys/:id/rotate', [...mayManage, proven], keys.rotateApiKey),
    del('/api/tenants/api-keys/:id', mayManage, keys.revokeApiKey),
  ];
}

/** The routes of connections to identity providers. */
function ssoTable(deps: Deps): Route[] {
  const sso = named(ssoRoutes(deps));
  const tries = named(tryRoutes(deps));
  const mayView = [authenticateCaller, requirePermission('SETTINGS_SECURITY_VIEW')];
  const mayEdit = [authenticate, requirePermission('SETTINGS_SECURITY_EDIT')];
  const proven = requireStepUp('security_settings');
  return [
    get('/api/tenants/sso', mayView, sso.ssoConnections),
    get('/api/tenants/sso/:id', mayView, sso.ssoConnection),
    post('/api/tenants/sso', [...mayEdit, proven], sso.createSsoConnection),
    put('/api/tenants/sso/:id', [...mayEdit, proven], sso.changeSsoConnection),
    del('/api/tenants/sso/:id', [...mayEdit, proven], sso.deleteSsoConnection),
    post('/api/tenants/sso/:id/secret', [...mayEdit, proven], sso.rotateSsoSecret),
    post('/api/tenants/sso/:id/try', [...mayEdit, proven], tries.trySsoConnection),
    get('/api/tenants/sso/:id/tries/:attempt', mayEdit, tries.ssoTry),
  ];
}

/** The routes by which a tenant is administered. */
export const tenantTable = (deps: Deps): Route[] => [
  ...tagged('Risk', riskTable(deps)),
  ...tagged('IP rules', ipRuleTable(deps)),
  ...tagged('Domains', domainTable(deps)),
  ...tagged('Tenant', tenantsTable(deps)),
  ...tagged('Approvals', approvalTable(deps)),
  ...tagged('Staff', staffTable(deps)),
  ...tagged('Invitations', invitationTable(deps)),
  ...tagged('API keys', apiKeyTable(deps)),
  ...tagged('SSO', ssoTable(deps)),
];
