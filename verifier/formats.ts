/**
 * The rules for all bundles of one format. They are fixed here so that nothing an exporter writes
 * into a manifest can weaken them.
 */
export interface BundleFormat {
  readonly number: number;
  /**
   * Every file except the manifest and its signature, in order. `{log}` stands for the extension of
   * the logs.
   */
  readonly files: readonly string[];
  /**
   * The actions that a view of audit-log shows, by the name of the view without its extension.
   * There is one list for each set that releases of this format wrote.
   */
  readonly views: Readonly<Record<string, readonly (readonly string[])[]>>;
  /**
   * Whether the stretch must reach from five minutes before the range to the end of the first batch
   * that was sealed five minutes after it. Without that, events that were sealed late can be left
   * out.
   */
  readonly endsBehindBatch: boolean;
}

const FILES = [
  'README.txt',
  'audit-log-edges.{log}',
  'audit-log.{log}',
  'leaves.txt',
  'leaves.json',
  'checkpoint.txt',
  'consistency.json',
  'security-events.{log}',
  'access-review.csv',
  'joiners-leavers.csv',
  'permission-changes.csv',
  'sessions.csv',
  'token-revocations.csv',
  'risk-decisions.csv',
  'step-ups.csv',
  'ip-rules.csv',
  'impersonations.csv',
  'data-exports.csv',
  'schema-changes.csv',
  'schema-health.csv',
  'controls.csv',
  'summary.html',
];

const AFTER_PERMISSIONS = FILES.indexOf('permission-changes.csv') + 1;
const FILES_WITH_ROLES = FILES.toSpliced(
  AFTER_PERMISSIONS,
  0,
  'role-definitions.csv',
  'invitations.csv',
);

const AFTER_INVITATIONS = FILES_WITH_ROLES.indexOf('invitations.csv') + 1;
const FILES_WITH_KEYS = FILES_WITH_ROLES.toSpliced(AFTER_INVITATIONS, 0, 'api-keys.csv');

const AFTER_KEYS = FILES_WITH_KEYS.indexOf('api-keys.csv') + 1;
const FILES_WITH_APP_EVENTS = FILES_WITH_KEYS.toSpliced(
  AFTER_KEYS,
  0,
  'app-events.csv',
  'app-event-types.csv',
);

const AFTER_IP_RULES = FILES_WITH_APP_EVENTS.indexOf('ip-rules.csv') + 1;
const FILES_WITH_DOMAINS = FILES_WITH_APP_EVENTS.toSpliced(AFTER_IP_RULES, 0, 'domains.csv');

const AFTER_DOMAINS = FILES_WITH_DOMAINS.indexOf('domains.csv') + 1;
const FILES_WITH_CONNECTIONS = FILES_WITH_DOMAINS.toSpliced(
  AFTER_DOMAINS,
  0,
  'sso-connections.csv',
);

const SECURITY_EVENTS = [
  'SUSPICIOUS_LOGIN_DETECTED',
  'SESSION_INVALIDATED',
  'IMPERSONATION_STARTED',
  'IMPERSONATION_ENDED',
  'IP_RULE_CREATED',
  'IP_RULE_UPDATED',
  'IP_RULE_DELETED',
  'STEP_UP_VERIFIED',
  'AUTH_TOKEN_REFRESH',
];

/**
 * Every format so far. A released format never changes: one test compares each format with its
 * hash, and another compares the server with the newest. A bundle that does not state its format
 * has the first one.
 */
export const FORMATS: readonly BundleFormat[] = [
  {
    number: 1,
    files: FILES,
    views: { 'security-events': [[...SECURITY_EVENTS, 'AUTH_TOKEN_REISSUED'], SECURITY_EVENTS] },
    endsBehindBatch: false,
  },
  {
    number: 2,
    files: FILES,
    views: { 'security-events': [[...SECURITY_EVENTS, 'AUTH_TOKEN_REISSUED']] },
    endsBehindBatch: true,
  },
  {
    number: 3,
    files: FILES_WITH_ROLES,
    views: { 'security-events': [[...SECURITY_EVENTS, 'AUTH_TOKEN_REISSUED']] },
    endsBehindBatch: true,
  },
  {
    number: 4,
    files: FILES_WITH_KEYS,
    views: { 'security-events': [[...SECURITY_EVENTS, 'AUTH_TOKEN_REISSUED']] },
    endsBehindBatch: true,
  },
  {
    number: 5,
    files: FILES_WITH_APP_EVENTS,
    views: { 'security-events': [[...SECURITY_EVENTS, 'AUTH_TOKEN_REISSUED']] },
    endsBehindBatch: true,
  },
  {
    number: 6,
    files: FILES_WITH_APP_EVENTS,
    views: { 'security-events': [[...SECURITY_EVENTS, 'AUTH_TOKEN_REISSUED']] },
    endsBehindBatch: true,
  },
  {
    number: 7,
    files: FILES_WITH_DOMAINS,
    views: { 'security-events': [[...SECURITY_EVENTS, 'AUTH_TOKEN_REISSUED']] },
    endsBehindBatch: true,
  },
  {
    number: 8,
    files: FILES_WITH_CONNECTIONS,
    views: { 'security-events': [[...SECURITY_EVENTS, 'AUTH_TOKEN_REISSUED']] },
    endsBehindBatch: true,
  },
];

/** The newest format that this verifier supports. */
export const NEWEST_FORMAT = FORMATS.length;
