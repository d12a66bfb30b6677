import express from 'express';
import type { Express } from 'express';
import { changeRoutes } from './accessChanges';
import { apiDocsRoutes } from './apiDocs';
import { authRoutes } from './auth';
import { auditLogRoutes, complianceRoutes } from './compliance';
import { readAddress } from './http/clientAddress';
import { demoRoutes, startPageRoutes } from './demo';
import { bindServices } from './bindServices';
import type { Deps } from './deps';
import { healthRoutes } from './health';
import {
  authenticate,
  authenticateCaller,
  authenticateGateway,
  authenticateIfPresent,
  authenticateService,
} from './http/authenticate';
import { authenticateEnrollee } from './http/authenticateEnrollee';
import { correlationId } from './http/correlationId';
import { cors } from './http/cors';
import { errorHandler, notFound } from './http/errorHandler';
import { mountRoutes, noStore } from './http/mountRoutes';
import { requestLog } from './http/requestLog';
import { refuseMalformed } from './http/refuseMalformed';
import { requirePermission } from './http/requirePermission';
import { requireStepUp } from './http/requireStepUp';
import { attachServices } from './http/services';
import { securityHeaders } from './http/securityHeaders';
import { del, get, limited, named, post, put, tagged } from './http/routeTable';
import type { Route } from './http/routeTable';
import { emailRoutes, profileRoutes } from './profile';
import { appEventRoutes } from './appEvents';
import { introspectionRoutes } from './introspection';
import { passkeyRoutes, riskRoutes, securityRoutes } from './security';
import { serviceRoutes } from './service';
import { createTrust } from './config/trustProxy';
import {
  apiKeyRoutes,
  approvalRoutes,
  invitationLinkRoutes,
  invitationRoutes,
  roleRoutes,
  staffRoutes,
  tenantRoutes,
} from './tenants';
import { verifyRoutes } from './verify';

/** The routes of the audit log and its proofs. */
function auditLogTable(deps: Deps): Route[] {
  const log = named(auditLogRoutes(deps));
  const mayView = [authenticateCaller, requirePermission('SETTINGS_SECURITY_VIEW')];
  return [
    get('/api/compliance/audit-logs', mayView, log.auditLogs),
    get('/api/compliance/audit-logs/:id', mayView, log.auditEvent),
    get('/api/compliance/audit-logs/:id/proof', mayView, log.auditProof),
    get('/api/compliance/checkpoints', mayView, log.checkpoints),
    get('/api/compliance/checkpoints/latest', mayView, log.latestCheckpoint),
    get('/api/compliance/consistency', mayView, log.consistency),
    get('/api/compliance/keys', mayView, log.evidenceKeys),
  ];
}

/** A person without a factor passes, because there is nothing to prove with. */
const provenIfEnrolled = requireStepUp('security_settings', { act: true, firstFactor: true });

/** The routes of step-ups and factors. */
function stepUpTable(deps: Deps): Route[] {
  const security = named(securityRoutes(deps));
  const passkeys = named(passkeyRoutes(deps));
  const proven = requireStepUp('security_settings', { act: true });
  return [
    post('/api/security/step-up/start', [authenticateIfPresent], security.startStepUp),
    post('/api/security/step-up/verify', [authenticateIfPresent], security.verifyStepUp),
    post(
      '/api/security/totp/enroll',
      [authenticateEnrollee, provenIfEnrolled],
      security.enrollTotp,
    ),
    post('/api/security/totp/confirm', [authenticateEnrollee], security.confirmTotp),
    post(
      '/api/security/passkeys/register/start',
      [authenticateEnrollee, provenIfEnrolled],
      passkeys.startPasskey,
    ),
    post('/api/security/passkeys/register/finish', [authenticateEnrollee], passkeys.finishPasskey),

    get('/api/security/factors', [authenticate], security.factors),
    del('/api/security/factors/:id', [authenticate, proven], security.removeFactor),
    post('/api/security/recovery-codes', [authenticate, proven], security.recoveryCodes),
  ];
}

/** The routes of signing in and out, and of the notices about it. */
function authTable(deps: Deps): Route[] {
  const auth = named(authRoutes(deps));
  return [
    post('/api/auth/login', [], auth.login),
    post('/api/auth/login/begin', [], auth.beginLogin),
    post('/api/auth/login/complete', [], auth.completeLogin),
    post('/api/auth/refresh', [], auth.refresh),
    get('/api/auth/me', [authenticate], auth.me),
    get('/api/auth/sessions', [authenticate], auth.sessions),
    del('/api/auth/sessions/:id', [authenticate], auth.endSession),
    post('/api/auth/logout', [authenticateIfPresent], auth.logout),
    post('/api/auth/logout-all', [authenticate], auth.logoutAll),

    post('/api/auth/password', [authenticate, provenIfEnrolled], auth.changePassword),
    post('/api/auth/password/forgot', [], auth.forgotPassword),
    get('/api/auth/password/reset/:token', [], auth.resetPage),
    post('/api/auth/password/reset/:token', [], auth.resetPassword),

    get('/api/security/notices/:token', [], auth.notice),
    post('/api/security/notices/:token', [], auth.answerNotice),
  ];
}

/** The routes with which people manage their own account. */
function profileTable(deps: Deps): Route[] {
  const profile = named(profileRoutes(deps));
  const email = named(emailRoutes(deps));
  const proven = requireStepUp('security_settings', { act: true });
  const mayExport = requireStepUp('data_export', { act: true });
  return [
    put('/api/auth/me', [authenticate], profile.changeProfile),
    get('/api/auth/me/events', [authenticate], profile.ownEvents),
    post('/api/auth/me/data', [authenticate, mayExport], profile.ownData),
    post('/api/auth/email', [authenticate, proven], email.changeEmail),
    get('/api/auth/email/:token', [], email.showEmailChange),
    post('/api/auth/email/:token', [], email.confirmEmailChange),
  ];
}

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
    get('/api/security/locked-accounts', mayView, risk.lockedAccounts),
    get('/api/security/risk-decisions', mayView, risk.riskDecisions),
    get('/api/security/risk-decisions/:id', mayView, risk.riskDecision),
    put('/api/security/risk-decisions/:id/verdict', mayEdit, risk.giveVerdict),
  ];
}

/**
 * The routes of a tenant's members. Ending sessions asks for no proof, and a program may do it with
 * a key: in an emergency it must be quick, and a thief gains nothing by it.
 */
function staffTable(deps: Deps): Route[] {
  const staff = named(staffRoutes(deps));
  const mayView = [authenticateCaller, requirePermission('TENANT_STAFF_VIEW')];
  const mayManage = [authenticate, requirePermission('TENANT_STAFF_MANAGE')];
  const mayEnd = [authenticateCaller, requirePermission('TENANT_STAFF_MANAGE')];
  const mayManageRoles = [authenticate, requirePermission('TENANT_ROLES_MANAGE')];
  const proven = requireStepUp('security_settings', { act: true });
  return [
    get('/api/tenants/staff', mayView, staff.staff),
    post('/api/tenants/staff/force-logout', [...mayManage, proven], staff.forceLogoutAll),
    get('/api/tenants/staff/:id', mayView, staff.member),
    del('/api/tenants/staff/:id', [...mayManage, proven], staff.removeMember),
    put('/api/tenants/staff/:id/roles', [...mayManageRoles, proven], staff.changeRoles),
    post('/api/tenants/staff/:id/disable', [...mayManage, proven], staff.disableMember),
    post('/api/tenants/staff/:id/enable', [...mayManage, proven], staff.enableMember),
    post('/api/tenants/staff/:id/reset-factors', [...mayManage, proven], staff.resetFactors),
    post('/api/tenants/staff/:id/force-logout', mayEnd, staff.forceLogout),
    get('/api/tenants/staff/:id/sessions', mayView, staff.memberSessions),
    del('/api/tenants/staff/:id/sessions/:sessionId', mayEnd, staff.endMemberSession),
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
    get('/api/tenants/current', [authenticateCaller], tenant.currentTenant),
    put('/api/tenants/current', mayManageRoles, tenant.renameCurrentTenant),

    get('/api/tenants/permissions', mayView, roles.permissions),
    get('/api/tenants/roles', mayView, roles.roles),
    get('/api/tenants/roles/:id', mayView, roles.role),
    post('/api/tenants/roles', mayManageRoles, roles.createRole),
    put('/api/tenants/roles/:id', mayManageRoles, roles.changeRole),
    del('/api/tenants/roles/:id', mayManageRoles, roles.deleteRole),
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
    get('/api/tenants/approvals', mayView, approvals.approvals),
    get('/api/tenants/approvals/:id', mayView, approvals.approval),
    post('/api/tenants/approvals/:id/approve', mayDecide, approvals.approve),
    post('/api/tenants/approvals/:id/refuse', mayDecide, approvals.refuse),
    post('/api/tenants/approvals/:id/withdraw', mayWithdraw, approvals.withdraw),
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
    get('/api/tenants/invitations', mayView, ours.invitations),
    get('/api/tenants/invitations/:id', mayView, ours.invitation),
    post('/api/tenants/invitations', mayInvite, ours.createInvitation),
    post('/api/tenants/invitations/:id/resend', mayInvite, ours.resendInvitation),
    del('/api/tenants/invitations/:id', mayManage, ours.revokeInvitation),

    get('/api/invitations/:token', [], theirs.showInvitation),
    post('/api/invitations/:token/code', [], theirs.sendInvitationCode),
    post('/api/invitations/:token/accept', [authenticateIfPresent], theirs.acceptInvitation),
    get('/invitation/:token', [], theirs.invitationPage),
    post('/invitation/:token', [], theirs.answerInvitationPage),
  ];
}

/** The routes of the team's programs, with the scope that a service key needs. */
function serviceTable(deps: Deps): Route[] {
  const service = named(serviceRoutes(deps));
  const mayManage = [authenticateService('tenants:manage')];
  return [
    get('/api/service/self', [authenticateService()], service.serviceSelf),
    get('/api/service/tenants', mayManage, service.serviceTenants),
    post('/api/service/tenants', mayManage, service.createTenant),
    post('/api/service/tenants/:id/suspend', mayManage, service.suspendTenant),
    post('/api/service/tenants/:id/resume', mayManage, service.resumeTenant),
  ];
}

/** The routes by which the team's own API asks about callers, and learns what has changed. */
function accessTable(deps: Deps): Route[] {
  const changes = named(changeRoutes(deps));
  const tokens = named(introspectionRoutes(deps));
  const mayAsk = [authenticateService('introspect')];
  return [
    post('/api/token/introspect', mayAsk, tokens.introspectToken),
    post('/api/token/step-up', mayAsk, tokens.proveForService),
    get('/api/forward-auth', [authenticateGateway], tokens.forwardAuth),
    get('/api/access-changes', mayAsk, changes.accessChanges),
    get('/api/access-changes/stream', mayAsk, changes.accessChangeStream),
  ];
}

/** The routes by which the team's product reports its events into the audit log. */
function appEventTable(deps: Deps): Route[] {
  const events = named(appEventRoutes(deps));
  const mayDeclare = [authenticateService('events:declare')];
  return [
    post('/api/audit/events', [authenticateService('events:write')], events.reportEvents),
    get('/api/audit/event-types', mayDeclare, events.eventTypes),
    put('/api/audit/event-types', mayDeclare, events.declareEventTypes),
  ];
}

/** The routes of the exports for auditors. */
function exportTable(deps: Deps): Route[] {
  const compliance = named(complianceRoutes(deps));
  const mayView = [authenticate, requirePermission('SETTINGS_SECURITY_VIEW')];
  const mayExport = [...mayView, requireStepUp('data_export', { act: true })];
  return [
    post('/api/compliance/export/bundle', mayExport, compliance.exportBundle),
    post('/api/compliance/export/security-events', mayExport, compliance.exportSecurityEvents),
  ];
}

/** The routes for machines that ask often: no rate limit counts them. */
function unlimitedTable(deps: Deps): Route[] {
  const health = named(healthRoutes(deps));
  const { jwks } = named(authRoutes(deps));
  return [
    ...tagged('Health', [
      get('/health/live', [], health.live),
      get('/health/ready', [], health.ready),
      get('/metrics', [], health.metrics),
    ]),
    ...tagged('Sign-in', [get('/.well-known/jwks.json', [], jwks)]),
  ];
}

/**
 * The whole API: a route that is not in this table does not exist. Guards are listed in the order
 * in which they run.
 */
export function routeTable(deps: Deps): Route[] {
  const table: Route[] = [
    ...limited([
      ...tagged('Sign-in', authTable(deps)),
      ...tagged('Profile', profileTable(deps)),
      ...tagged('Step-up', stepUpTable(deps)),
      ...tagged('Risk', riskTable(deps)),
      ...tagged('Tenant', tenantsTable(deps)),
      ...tagged('Approvals', approvalTable(deps)),
      ...tagged('Staff', staffTable(deps)),
      ...tagged('Invitations', invitationTable(deps)),
      ...tagged('API keys', apiKeyTable(deps)),
      ...tagged('Services', [...serviceTable(deps), ...appEventTable(deps)]),
      ...tagged('Access', accessTable(deps)),
      ...tagged('Exports', exportTable(deps)),
      ...tagged('Audit log', auditLogTable(deps)),
    ]),
    ...unlimitedTable(deps),
    ...tagged('Pages', [...verifyRoutes(deps), ...demoRoutes(deps), ...startPageRoutes(deps)]),
  ];
  return [...table, ...apiDocsRoutes(deps, table)];
}

/**
 * Builds the Express application. It does not listen, and it uses no database before the first
 * request.
 */
export function createApp(deps: Deps): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  const trusts = createTrust(deps.config.trustProxy);
  app.set('trust proxy', (address: string, hop: number) => trusts(readAddress(address), hop));
  app.set('query parser', 'simple');
  app.use(attachServices(bindServices(deps)));
  app.use(correlationId, requestLog(deps), securityHeaders, noStore, cors(deps), refuseMalformed);
  mountRoutes(app, routeTable(deps));
  app.use(notFound);
  app.use(errorHandler);
  return app;
}
