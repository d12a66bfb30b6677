import type { AuditAction, AuditEvent } from '@/server/audit';

type Details = { [Action in AuditAction]: Extract<AuditEvent, { action: Action }>['details'] };

const ROLE = {
  name: 'Support',
  description: 'Helps customers.',
  permissions: ['TENANT_STAFF_VIEW'],
};
const ID = '0197c0de-0000-7000-8000-00000000000a';
const API_KEY = {
  name: 'Nightly',
  permissions: ['TENANT_STAFF_VIEW'],
  addresses: ['192.0.2.0/24'],
};
const APPROVAL = {
  kind: 'member' as const,
  about: `staff:${ID}`,
  requestedBy: ID,
  via: 'api' as const,
};
const risk = { score: 64, reasons: ['NEW_COUNTRY', 'with \' and " and \u0001'] };
const policy = {
  stepUpFrom: 40,
  highRiskFrom: 80,
  highRiskAction: 'block' as const,
  monitor: false,
  weights: { NEW_COUNTRY: 30 },
  stepUpWindowsSec: { security_settings: 300, data_export: 300, impersonation: 300 },
  methods: ['totp'],
  secondFactor: 'if_enrolled' as const,
  whenSkipped: 'prove' as const,
  maxSessions: 20,
};
const impersonation = {
  reason: 'Reproduce what Ann reported',
  scope: 'read_only' as const,
  consent: 'required' as const,
  consentGivenAt: '2026-01-01T00:00:00.000Z',
};
const impersonationPolicy = {
  mode: 'read_only' as const,
  consent: 'told' as const,
  ticketRequired: false,
  maxMinutes: 60,
};
const purpose = 'data_export' as const;
const origin = 'session' as const;
const kind = 'security_events' as const;
const range = { from: '2026-01-01', to: '2026-01-31', format: 'ocsf' as const };
const ipRule = {
  ...{ action: 'allow' as const, appliesTo: 'people' as const },
  ...{ range: '203.0.113.0/24', note: '', expiresAt: null },
};
const identityLink = {
  ...{ linkId: ID, connectionId: ID, issuer: 'https://acme.okta.com', how: 'domain' as const },
};
const ssoConnection = {
  ...{ name: 'Okta', issuer: 'https://acme.okta.com', clientId: '0oa1b2c3d4' },
  ...{ tokenAuth: 'basic' as const, alg: 'RS256', requiredHostedDomain: null },
  endpoints: {
    authorization: 'https://acme.okta.com/oauth2/v1/authorize',
    token: 'https://acme.okta.com/oauth2/v1/token',
    jwks: 'https://acme.okta.com/oauth2/v1/keys',
    endSession: null,
  },
};
const health = { missing: ['user_sessions'], findings: ['a table is gone'], differences: 1 };

/** Valid details for every action. */
export const AUDIT_DETAILS: Details = {
  AUTH_LOGIN_SUCCEEDED: { ...risk, rememberMe: true, stepUp: true },
  AUTH_LOGIN_FAILED: { reason: 'wrong_password' },
  LOGIN_TENANTS_OFFERED: {},
  LOGIN_SPRAY_DETECTED: { over: 'address', failures: 9, accounts: 5 },
  PERMISSION_DENIED: { permission: 'SETTINGS_SECURITY_VIEW', repeated: 3 },
  AUTH_LOGOUT: { scope: 'session' },
  AUTH_TOKEN_REFRESH: {},
  AUTH_TOKEN_REISSUED: { at: 'refresh' },
  REFRESH_REUSE_DETECTED: { familyId: ID, alreadyEnded: false },
  SUSPICIOUS_LOGIN_DETECTED: { ...risk, at: 'login', decision: 'step_up' },
  ANOMALY_CHECK_SKIPPED: { at: 'login', cause: 'timeout' },
  LOGIN_BLOCKED: { ...risk, at: 'login' },
  RISK_POLICY_CHANGED: { version: 2, before: policy, after: policy },
  RISK_VERDICT_GIVEN: { staffId: ID, score: 64, verdict: 'suspicious', note: null, before: null },
  STEP_UP_REQUIRED: { purpose, origin, methods: ['totp'] },
  STEP_UP_CONSUMED: { purpose: 'app:delete_project', act: 'DELETE /projects/:id', staffId: ID },
  STEP_UP_VERIFIED: { purpose, origin, method: 'passkey' },
  STEP_UP_FAILED: { purpose, origin, reason: 'wrong_code' },
  SESSION_INVALIDATED: { reason: 'manual', sessionsRevoked: 1, tokensRevoked: 1 },
  SESSIONS_ENDED: {
    since: '2026-01-31T08:00:00.000Z',
    until: null,
    people: 2,
    sessions: 3,
    via: 'operator',
  },
  NOTICE_ANSWERED: { kind: 'new_device' },
  STAFF_COMPROMISED: { via: 'notice', devices: 2, networks: 1, countries: 1, addresses: 0 },
  PASSKEY_SIGNAL: { signal: 'counter_stalled' },
  PASSWORD_CHANGED: { with: 'reset_link' },
  PASSWORD_CHANGE_REFUSED: { reason: 'wrong_password' },
  PASSWORD_RESET_REQUESTED: {},
  PASSWORD_SET: { via: 'operator' },
  PASSWORD_EXPIRED: { via: 'notice' },
  FACTOR_ENROLLMENT_STARTED: { factor: 'passkey' },
  FACTOR_ENROLLED: { factor: 'totp', via: 'api' },
  FACTOR_REMOVED: { factor: 'recovery_code', via: 'operator' },
  FACTORS_RESET: { reason: 'The phone was lost', via: 'api', requestedBy: ID },
  PASSWORD_REHASHED: {},
  TENANT_CREATED: { slug: 'acme', via: 'operator' },
  TENANT_RENAMED: { before: 'Acme', after: 'Acme Ltd', via: 'api' },
  TENANT_SUSPENDED: { before: 'active', after: 'suspended', via: 'operator' },
  TENANT_RESTORED: {
    ...{ before: 'suspended', after: 'active', via: 'operator' },
    suspendedAt: '2026-03-01T12:00:00.000Z',
  },
  TENANT_DELETED: {
    ...{ before: 'suspended', after: 'deleted', via: 'operator' },
    ...{ invitations: 1, approvalRequests: 0, emailChanges: 0, apiKeys: 1 },
    ...{ domains: 1, ssoConnections: 2, identities: 3 },
  },
  STAFF_CREATED: { permissions: ['SETTINGS_SECURITY_VIEW'], via: 'operator' },
  STAFF_DISABLED: { via: 'operator' },
  STAFF_ENABLED: { disabledAt: '2026-03-01T12:00:00.000Z', via: 'operator' },
  STAFF_REMOVED: { endsAt: '2026-03-01T12:00:00.000Z', via: 'expiry' },
  STAFF_END_CHANGED: { before: null, after: '2026-03-01T12:00:00.000Z', via: 'operator' },
  STAFF_PERMISSIONS_CHANGED: { before: [], after: ['SETTINGS_SECURITY_VIEW'], via: 'operator' },
  STAFF_UNLOCKED: { via: 'operator' },
  PROFILE_CHANGED: { field: 'name', change: 'set' },
  EMAIL_CHANGE_REFUSED: { reason: 'wrong_password' },
  OWN_PROOF_GIVEN: { with: 'mailed_link' },
  OWN_PROOF_REFUSED: { reason: 'wrong_password' },
  OWN_PROOF_REQUESTED: {},
  EMAIL_CHANGE_REQUESTED: {},
  OWN_DATA_EXPORTED: { sessions: 2, events: 40 },
  STAFF_EMAIL_CHANGED: { change: 'renamed', via: 'operator' },
  INVITATION_CREATED: {
    roles: ['auditor'],
    permissions: [],
    gives: ['SETTINGS_SECURITY_VIEW', 'TENANT_STAFF_VIEW'],
    delivery: 'mail',
    expiresAt: '2026-01-31T08:00:00.000Z',
    via: 'api',
    requestedBy: ID,
    secondsToEffect: 0.02,
  },
  INVITATION_RESENT: { delivery: 'link', expiresAt: '2026-01-31T08:00:00.000Z', via: 'api' },
  INVITATION_REVOKED: { reason: 'inviter_left', via: 'api' },
  INVITATION_ACCEPTED: { staffId: ID, delivery: 'mail', by: 'new_person' },
  ROLE_CREATED: { after: ROLE, via: 'api' },
  ROLE_UPDATED: { before: ROLE, after: ROLE, holders: 2, via: 'api' },
  ROLE_DELETED: { before: ROLE, via: 'api' },
  API_KEY_CREATED: { ...API_KEY, holder: ID, expiresAt: '2026-05-30T12:00:00.000Z', via: 'api' },
  API_KEY_CHANGED: { before: API_KEY, after: API_KEY, holder: ID, via: 'api' },
  API_KEY_ROTATED: {
    ...{ overlapSec: 86_400, holder: ID, via: 'api' },
    expiresAt: '2026-05-30T12:00:00.000Z',
  },
  API_KEY_REVOKED: { reason: 'forced_end', holder: ID },
  API_KEY_REFUSED: { reason: 'address', repeated: 2 },
  SERVICE_KEY_CREATED: {
    ...{ name: 'Billing job', scopes: ['tenants:manage'], addresses: [], expiresAt: null },
    via: 'operator',
  },
  SERVICE_KEY_ROTATED: { overlapSec: 0, expiresAt: null, via: 'operator' },
  SERVICE_KEY_REVOKED: { via: 'operator' },
  SSO_CONNECTION_CREATED: { after: ssoConnection, via: 'api' },
  SSO_CONNECTION_UPDATED: {
    ...{ before: ssoConnection, after: { ...ssoConnection, name: 'Okta Europe' } },
    ...{ secretReplaced: true, via: 'api' },
  },
  SSO_CONNECTION_DELETED: {
    ...{ before: { ...ssoConnection, clientId: null }, reason: 'tenant_deleted' },
    via: 'operator',
  },
  SSO_CONNECTION_SECRET_ROTATED: { overlapSec: 86_400, via: 'api' },
  SSO_SIGN_IN_FAILED: { connectionId: ID, kind: 'login', reason: 'token_nonce' },
  IDENTITY_LINKED: { before: null, after: identityLink, via: 'api' },
  IDENTITY_UNLINKED: { before: identityLink, after: null, reason: 'unlinked', via: 'api' },
  APPROVAL_REQUESTED: {
    ...{ kind: 'member', about: `staff:${ID}`, given: ['TENANT_ROLES_MANAGE'], via: 'api' },
    expiresAt: '2026-03-08T12:00:00.000Z',
  },
  APPROVAL_GIVEN: APPROVAL,
  APPROVAL_REFUSED: APPROVAL,
  APPROVAL_WITHDRAWN: APPROVAL,
  APPROVAL_OUTDATED: { ...APPROVAL, kind: 'policy', about: null },
  TENANT_POLICY_CHANGED: {
    ...{ before: { needsApproval: true }, after: { needsApproval: false }, via: 'api' },
    ...{ requestedBy: ID, approvedBy: ID, secondsToEffect: 12.5 },
  },
  EVENT_TYPE_DECLARED: {
    before: null,
    after: { sentence: 'A project was deleted', details: { type: 'object', properties: {} } },
    via: 'operator',
  },
  EVENT_TYPE_WITHDRAWN: {
    before: { sentence: 'A project was deleted', details: { type: 'object', properties: {} } },
    via: 'service',
  },
  PERMISSION_DECLARED: { before: null, after: { description: 'delete', privileged: true } },
  PERMISSION_WITHDRAWN: { before: { description: 'delete', privileged: true } },
  KEY_ADOPTED: { setting: 'TOKEN_HASH_KEY', keyId: '0123456789abcdef' },
  DATA_EXPORT_REQUESTED: { kind, ...range },
  DATA_EXPORT_COMPLETED: { kind, ...range, files: [{ name: 'a.jsonl', rows: 3 }], bytes: 99 },
  DATA_EXPORT_FAILED: { kind, ...range, reason: 'client_closed' },
  AUDIT_LOG_ROLLED_BACK: { known: { checkpoint: 7, note: 'a note\n' }, by: 'sealer' },
  AUDIT_LOG_REWRITTEN: { logId: ID, size: 12 },
  EVENT_FEED_MOVED: { logId: ID, from: 12, to: 3, via: 'operator' },
  AUDIT_LOG_MOVED: { sealed: 12 },
  SCHEMA_HEALTH_FAILED: health,
  SCHEMA_HEALTH_RESTORED: health,
  SCHEMA_MIGRATED: {
    tag: '0001_initial_tables',
    hash: 'ab'.repeat(32),
    durationMs: 12,
    codeVersion: null,
    appliedBy: null,
  },
  IMPERSONATION_STARTED: { ...impersonation, minutes: 15, expiresAt: '2026-01-01T00:15:00.000Z' },
  IMPERSONATION_ENDED: {
    ...{ ...impersonation, end: 'operator', by: 'operator:ann@host', seconds: 61.5 },
    byTicket: 'OPS-1',
    startedAt: '2026-01-01T00:00:00.000Z',
    opened: [{ route: 'GET /api/tenants/staff', times: 2 }],
    refused: [{ route: 'POST /api/auth/logout', times: 1 }],
  },
  IMPERSONATION_REFUSED: { refusal: 'route', route: 'GET /api/security/factors', repeated: 0 },
  IMPERSONATION_POLICY_CHANGED: {
    version: 1,
    before: impersonationPolicy,
    after: { ...impersonationPolicy, mode: 'off' },
  },
  IMPERSONATION_CONSENT_GIVEN: { until: '2026-01-01T00:15:00.000Z', via: 'api' },
  IMPERSONATION_CONSENT_WITHDRAWN: { until: '2026-01-01T00:15:00.000Z', via: 'api' },
  DOMAIN_ADDED: { domain: 'example.com', via: 'api' },
  SCIM_USER_CREATED: { how: 'created', active: true, via: 'scim', secondsToEffect: 0.02 },
  SCIM_USER_CHANGED: {
    fields: ['active', 'familyName'],
    active: { before: true, after: false },
    ...{ via: 'scim', secondsToEffect: 0.02 },
  },
  SCIM_USER_DELETED: { via: 'scim', secondsToEffect: 0.02 },
  DOMAIN_PROVEN: { domain: 'example.com', before: 'waiting' },
  DOMAIN_PROOF_FAILING: {
    ...{ domain: 'example.com', finding: 'missing' },
    lostAfter: '2026-03-01T12:00:00.000Z',
  },
  DOMAIN_PROOF_LOST: {
    ...{ domain: 'example.com', finding: 'differs', looks: 24 },
    failingSince: '2026-03-01T12:00:00.000Z',
  },
  DOMAIN_REMOVED: { domain: 'example.com', before: 'proven', via: 'api' },
  IP_RULE_CREATED: { after: ipRule },
  IP_RULE_UPDATED: { before: ipRule, after: { ...ipRule, note: 'The office in Lyon' } },
  IP_RULE_DELETED: { before: ipRule, trialEndsAt: '2026-03-01T12:00:00.000Z' },
  IP_RULES_TRIAL_STARTED: { endsAt: '2026-03-01T12:00:00.000Z', rules: 2 },
  IP_RULES_TRIAL_CONFIRMED: { startedBy: ID, rules: 2 },
  IP_RULES_TRIAL_ENDED: {
    reason: 'expired',
    startedBy: ID,
    endedAt: '2026-03-01T12:00:00.000Z',
  },
  IP_RULES_SUSPENDED: { via: 'operator' },
  IP_RULES_RESUMED: { via: 'api' },
  IP_RULE_BLOCKED: {
    address: '203.0.113.7',
    ruleId: ID,
    range: '203.0.113.0/24',
    appliesTo: 'people',
    repeated: 3,
  },
};
