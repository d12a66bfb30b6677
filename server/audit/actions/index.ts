import type { ActionDefinition } from './actionGroup';
import { API_KEY_ACTIONS } from './apiKeyActions';
import { APPROVAL_ACTIONS } from './approvalActions';
import { AUDIT_LOG_ACTIONS } from './auditLogActions';
import { CREDENTIAL_ACTIONS } from './credentialActions';
import { DOMAIN_ACTIONS } from './domainActions';
import { EVENT_TYPE_ACTIONS } from './eventTypeActions';
import { EXPORT_ACTIONS } from './exportActions';
import { IMPERSONATION_ACTIONS } from './impersonationActions';
import { INVITATION_ACTIONS } from './invitationActions';
import { IP_RULE_ACTIONS } from './ipRuleActions';
import { KEY_ACTIONS } from './keyActions';
import { PROFILE_ACTIONS } from './profileActions';
import { RISK_ACTIONS } from './riskActions';
import { ROLE_ACTIONS } from './roleActions';
import { SCHEMA_ACTIONS } from './schemaActions';
import { SCIM_ACTIONS } from './scimActions';
import { SESSION_ACTIONS } from './sessionActions';
import { SIGN_IN_ACTIONS } from './signInActions';
import { SSO_ACTIONS } from './ssoActions';
import { SSO_SIGN_IN_ACTIONS } from './ssoSignInActions';
import { STAFF_ACTIONS } from './staffActions';
import { STEP_UP_ACTIONS } from './stepUpActions';

const DEFINITIONS = {
  ...SIGN_IN_ACTIONS,
  ...RISK_ACTIONS,
  ...STEP_UP_ACTIONS,
  ...SESSION_ACTIONS,
  ...CREDENTIAL_ACTIONS,
  ...PROFILE_ACTIONS,
  ...STAFF_ACTIONS,
  ...ROLE_ACTIONS,
  ...INVITATION_ACTIONS,
  ...APPROVAL_ACTIONS,
  ...API_KEY_ACTIONS,
  ...KEY_ACTIONS,
  ...IP_RULE_ACTIONS,
  ...DOMAIN_ACTIONS,
  ...SCIM_ACTIONS,
  ...EVENT_TYPE_ACTIONS,
  ...EXPORT_ACTIONS,
  ...AUDIT_LOG_ACTIONS,
  ...SCHEMA_ACTIONS,
  ...IMPERSONATION_ACTIONS,
  ...SSO_ACTIONS,
  ...SSO_SIGN_IN_ACTIONS,
};

export type AuditAction = keyof typeof DEFINITIONS;

/** The closed list of actions that the audit log can hold. */
export const ACTIONS: Readonly<Record<AuditAction, ActionDefinition>> = DEFINITIONS;

type Details = { readonly [Action in AuditAction]: (typeof DEFINITIONS)[Action]['details'] };

/** The schema of the details of each action. */
export const AUDIT_ACTIONS = Object.fromEntries(
  Object.entries(DEFINITIONS).map(([action, { details }]) => [action, details]),
) as Details;

/** The actions that the security-events export shows: a filtered view of the audit log, not a separate source. */
export const SECURITY_EVENT_ACTIONS = [
  'SUSPICIOUS_LOGIN_DETECTED',
  'SESSION_INVALIDATED',
  'IMPERSONATION_STARTED',
  'IMPERSONATION_ENDED',
  'IP_RULE_CREATED',
  'IP_RULE_UPDATED',
  'IP_RULE_DELETED',
  'STEP_UP_VERIFIED',
  'AUTH_TOKEN_REFRESH',
  'AUTH_TOKEN_REISSUED',
] as const satisfies readonly AuditAction[];
