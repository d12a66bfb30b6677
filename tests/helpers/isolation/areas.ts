import type { Sweep } from './aim';
import { API_KEY_SWEEP } from './apiKeySweep';
import { APPROVAL_SWEEP } from './approvalSweep';
import { AUDIT_LOG_SWEEP } from './auditLogSweep';
import { AUTH_SWEEP } from './authSweep';
import { DOMAIN_SWEEP } from './domainSweep';
import { EXPORT_SWEEP } from './exportSweep';
import { IMPERSONATION_SWEEP } from './impersonationSweep';
import { INVITATIONS_SWEEP } from './invitationsSweep';
import { IP_RULE_SWEEP } from './ipRuleSweep';
import { OPEN_SWEEP } from './openSweep';
import { PROFILE_SWEEP } from './profileSweep';
import { RISK_SWEEP } from './riskSweep';
import { SCIM_SWEEP } from './scimSweep';
import { SERVICE_SWEEP } from './serviceSweep';
import { SSO_SWEEP } from './ssoSweep';
import { STAFF_SWEEP } from './staffSweep';
import { STEP_UP_SWEEP } from './stepUpSweep';
import { TENANTS_SWEEP } from './tenantsSweep';

/**
 * The sweeps of all areas. The test of an area is `tests/tenants/isolation/<area>Isolation.test.ts`.
 */
export const AREAS = {
  auth: AUTH_SWEEP,
  profile: PROFILE_SWEEP,
  stepUp: STEP_UP_SWEEP,
  risk: RISK_SWEEP,
  ipRule: IP_RULE_SWEEP,
  domain: DOMAIN_SWEEP,
  sso: SSO_SWEEP,
  tenants: TENANTS_SWEEP,
  staff: STAFF_SWEEP,
  export: EXPORT_SWEEP,
  auditLog: AUDIT_LOG_SWEEP,
  approval: APPROVAL_SWEEP,
  invitations: INVITATIONS_SWEEP,
  apiKey: API_KEY_SWEEP,
  impersonation: IMPERSONATION_SWEEP,
  scim: SCIM_SWEEP,
  service: SERVICE_SWEEP,
  open: OPEN_SWEEP,
} as const satisfies Record<string, Sweep>;

export type Area = keyof typeof AREAS;
