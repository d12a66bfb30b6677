/** What is fixed for all bundles of one format: nothing that an exporter writes into a manifest can lessen it. */
export interface BundleFormat {
  readonly number: number;
  /** Every file but the manifest and its signature, in their order; `{log}` stands for the extension of the logs. */
  readonly files: readonly string[];
  /** By the name of a view of audit-log, without its extension: the actions that it shows, in each way that releases of this format had them. */
  readonly views: Readonly<Record<string, readonly (readonly string[])[]>>;
  /**
   * Whether the stretch has to take in the whole of the first batch that was sealed five minutes past the range, and begin five
   * minutes before it. Without that, events which came late can be left out.
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
 * Every format there was. One that was released never changes: a test holds each to its hash, and another holds the server to the
 * newest. A bundle that does not say its format is of the first.
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
];

/** The newest that this verifier knows. */
export const NEWEST_FORMAT = FORMATS.length;
