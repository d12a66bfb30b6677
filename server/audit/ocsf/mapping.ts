import type { AuditAction } from '../actions';
import { IN_SOMEBODYS_PLACE, IP_RULES } from './accessMappings';
import { ACCOUNT_MAPPINGS } from './accountMappings';
import { ATTACK_MAPPINGS } from './attackMappings';
import type { OcsfMapping } from './classes';
import { STAFF_MAPPINGS } from './staffMappings';

const REFRESH = { detail: 'at', is: 'refresh' } as const;

/**
 * Maps every action to OCSF. An activity of the class is used only if it means exactly that, because dashboards count
 * logons by it. A refreshed token is therefore no logon, and a step-up within a login is not a second one.
 */
export const OCSF_MAPPINGS: Readonly<
  Record<AuditAction, OcsfMapping | readonly [OcsfMapping, OcsfMapping]>
> = {
  ...ACCOUNT_MAPPINGS,
  ...ATTACK_MAPPINGS,
  AUTH_LOGIN_SUCCEEDED: {
    class: 'authentication',
    activity: 'Logon',
    severity: 'Informational',
    message: 'Somebody signed in',
    has: ['mfa'],
  },
  AUTH_LOGIN_FAILED: {
    class: 'authentication',
    activity: 'Logon',
    severity: 'Low',
    message: 'A sign-in failed',
  },
  AUTH_LOGOUT: {
    class: 'authentication',
    activity: 'Logoff',
    severity: 'Informational',
    message: 'Somebody signed out',
  },
  AUTH_TOKEN_REFRESH: {
    class: 'authentication',
    activity: 'Token Refresh',
    severity: 'Informational',
    message: 'A refresh token was exchanged',
  },
  AUTH_TOKEN_REISSUED: {
    class: 'authentication',
    activity: 'Token Reissue',
    severity: 'Informational',
    message: 'A lost answer with tokens was given again',
  },
  REFRESH_REUSE_DETECTED: {
    class: 'finding',
    activity: 'Create',
    severity: 'High',
    message: 'A refresh token was used again: it may have been stolen',
    has: ['alert', 'evidence'],
  },
  SUSPICIOUS_LOGIN_DETECTED: {
    class: 'finding',
    activity: 'Create',
    severity: 'Medium',
    message: 'A sign-in or a refresh looked suspicious',
    has: ['score', 'evidence'],
  },
  ANOMALY_CHECK_SKIPPED: {
    class: 'error',
    activity: 'General Error',
    severity: 'Medium',
    message: 'A sign-in or a refresh could not be scored and went on unscored',
  },
  LOGIN_BLOCKED: [
    {
      class: 'authentication',
      activity: 'Token Refresh',
      severity: 'High',
      message: 'A refresh was blocked for its risk',
      where: REFRESH,
      disposition: 'Blocked',
      has: ['score'],
    },
    {
      class: 'authentication',
      activity: 'Logon',
      severity: 'High',
      message: 'A sign-in was blocked for its risk',
      disposition: 'Blocked',
      has: ['score'],
    },
  ],
  RISK_POLICY_CHANGED: {
    class: 'entity',
    activity: 'Update',
    severity: 'Medium',
    message: 'The risk policy was changed',
    entity: { type: 'Policy', name: 'risk policy' },
  },
  RISK_VERDICT_GIVEN: {
    class: 'entity',
    activity: 'Update',
    severity: 'Informational',
    message: 'Somebody judged a risk decision',
    entity: { type: 'Risk Decision', name: 'risk decision' },
  },
  STEP_UP_REQUIRED: {
    class: 'authentication',
    activity: 'Step-up Request',
    severity: 'Informational',
    message: 'A further proof of identity was asked for',
    disposition: 'Challenge',
  },
  STEP_UP_VERIFIED: {
    class: 'authentication',
    activity: 'Step-up',
    severity: 'Informational',
    message: 'A further proof of identity was given',
    has: ['factor'],
  },
  STEP_UP_FAILED: {
    class: 'authentication',
    activity: 'Step-up',
    severity: 'Low',
    message: 'A further proof of identity was wrong',
  },
  SESSION_INVALIDATED: [
    {
      class: 'authentication',
      activity: 'Token Revocation',
      severity: 'Low',
      message: 'Tokens were revoked; no session was open',
      where: { detail: 'sessionsRevoked', is: 0 },
      session: 'subject',
    },
    {
      class: 'authentication',
      activity: 'Logoff',
      severity: 'Low',
      message: 'Sessions were ended',
      session: 'subject',
    },
  ],
  NOTICE_ANSWERED: {
    class: 'finding',
    activity: 'Create',
    severity: 'High',
    message: 'Somebody said that what a notice told of was not they, and ended their sessions',
    has: ['alert', 'evidence'],
  },
  ...STAFF_MAPPINGS,
  KEY_ADOPTED: {
    class: 'lifecycle',
    activity: 'Key Adoption',
    severity: 'High',
    message: 'An operator vouched for a key that the database could not prove',
  },
  SESSIONS_ENDED: {
    class: 'lifecycle',
    activity: 'Session Revocation',
    severity: 'High',
    message: 'An operator ended all sessions that a failover may have brought back',
  },
  DATA_EXPORT_REQUESTED: {
    class: 'api',
    activity: 'Export Request',
    severity: 'Low',
    message: 'An export of data was asked for',
  },
  DATA_EXPORT_COMPLETED: {
    class: 'api',
    activity: 'Read',
    severity: 'Low',
    message: 'Data was exported',
  },
  DATA_EXPORT_FAILED: {
    class: 'api',
    activity: 'Read',
    severity: 'Low',
    message: 'An export of data failed; part of it may have been sent',
  },
  AUDIT_LOG_ROLLED_BACK: {
    class: 'finding',
    activity: 'Create',
    severity: 'Critical',
    message:
      'The audit log lacks what it had: an older backup was restored, or its end was lost. Sign-outs of that time may be undone',
    has: ['alert'],
  },
  AUDIT_LOG_REWRITTEN: {
    class: 'finding',
    activity: 'Create',
    severity: 'Critical',
    message: 'The audit log is not what had been signed',
    has: ['alert'],
  },
  EVENT_FEED_MOVED: {
    class: 'entity',
    activity: 'Update',
    severity: 'Medium',
    message: 'An operator had the live feed send events again, or leave some out',
    entity: { type: 'Event Feed', name: 'event feed' },
  },
  AUDIT_LOG_MOVED: {
    class: 'lifecycle',
    activity: 'Database Move',
    severity: 'Medium',
    message: 'The database is a copy that was restored into another cluster',
  },
  SCHEMA_HEALTH_FAILED: {
    class: 'error',
    activity: 'General Error',
    severity: 'High',
    message: 'The schema of the database is not what this release expects',
  },
  SCHEMA_HEALTH_RESTORED: {
    class: 'lifecycle',
    activity: 'Schema Repair',
    severity: 'Informational',
    message: 'The schema of the database is what this release expects again',
  },
  SCHEMA_MIGRATED: {
    class: 'lifecycle',
    activity: 'Update',
    severity: 'Low',
    message: 'A migration of the database was applied',
  },
  ...IN_SOMEBODYS_PLACE,
  ...IP_RULES,
};

/** The mapping of an action that this release does not know, because a newer release wrote it. */
export const UNKNOWN_ACTION: OcsfMapping = {
  class: 'base',
  activity: 'Unknown Action',
  severity: 'Informational',
  message: 'Something that this release has no words for',
};
