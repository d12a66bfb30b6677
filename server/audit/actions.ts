import { z } from 'zod';

const score = z.number().int().min(0).max(100);
const reasons = z.array(z.string());
const purpose = z.enum(['security_settings', 'data_export', 'impersonation']);
const origin = z.enum(['login', 'refresh', 'session']);
const degraded = z.boolean().optional();
const range = { from: z.string(), to: z.string(), format: z.enum(['csv', 'json', 'ocsf']) };
const exportKind = z.enum(['bundle', 'security_events']);
/** `recovery_code` stands for the whole set of them. */
const factor = z.enum(['totp', 'passkey', 'recovery_code']);
const permissions = z.array(z.string());
const via = z.enum(['api', 'operator', 'bootstrap', 'notice']);
const noticeKind = z.enum([
  'new_device',
  'login_blocked',
  'password_set',
  'recovery_code_used',
  'recovery_code_used_at_login',
  'second_proof_failed',
  'account_guessed',
  'account_closed',
  'factor_closed',
  'reuse_detected',
  'factor_changed',
  'forced_logout',
]);

const verdict = z.enum(['legitimate', 'suspicious']);
const policy = z.strictObject({
  stepUpFrom: z.number().int(),
  highRiskFrom: z.number().int(),
  highRiskAction: z.enum(['block', 'step_up']),
  monitor: z.boolean(),
  weights: z.record(z.string(), z.number().int()),
  stepUpWindowsSec: z.record(purpose, z.number().int()),
  methods: z.array(z.string()),
  secondFactor: z.enum(['by_risk', 'if_enrolled', 'always']),
  whenSkipped: z.enum(['allow', 'prove']),
  maxSessions: z.number().int(),
});

/** `findings` names the first fifty; `differences` counts them all. */
const schemaHealth = z.strictObject({
  missing: z.array(z.string()),
  findings: z.array(z.string()).max(50),
  differences: z.number().int().min(0),
});

/**
 * The closed list of what the audit log can hold, and the details that each action carries. Schemas are
 * strict: a field that is not named here cannot slip in, so neither can a secret.
 */
export const AUDIT_ACTIONS = {
  AUTH_LOGIN_SUCCEEDED: z.strictObject({
    score,
    reasons,
    rememberMe: z.boolean(),
    stepUp: z.boolean(),
    degraded,
  }),
  AUTH_LOGIN_FAILED: z.strictObject({
    reason: z.enum([
      'unknown_account',
      'wrong_password',
      'password_expired',
      'account_disabled',
      'account_locked',
      'no_membership',
    ]),
  }),
  AUTH_LOGOUT: z.strictObject({
    scope: z.enum(['session', 'all']),
    // Whoever signed out showed this, and no access token.
    with: z.literal('refresh_token').optional(),
    degraded,
  }),
  // The password was right, and the answer named the person's tenants; each of them has the event.
  LOGIN_TENANTS_OFFERED: z.strictObject({}),
  // Logins failed on many accounts: once in a window for an address, and once for the whole.
  LOGIN_SPRAY_DETECTED: z.strictObject({
    over: z.enum(['address', 'installation']),
    failures: z.number().int().min(1),
    // Of an address: different accounts, counted up to twenty.
    accounts: z.number().int().min(1).optional(),
  }),
  // `repeated`: how many more there were since the event before, which are not told one by one.
  PERMISSION_DENIED: z.strictObject({
    permission: z.string(),
    repeated: z.number().int().min(0),
  }),
  AUTH_TOKEN_REFRESH: z.strictObject({ degraded }),
  // A lost answer was asked for again, with its idempotency key.
  AUTH_TOKEN_REISSUED: z.strictObject({ at: z.enum(['login', 'refresh']) }),
  REFRESH_REUSE_DETECTED: z.strictObject({ familyId: z.uuid(), alreadyEnded: z.boolean() }),
  SUSPICIOUS_LOGIN_DETECTED: z.strictObject({
    at: z.enum(['login', 'refresh']),
    score,
    reasons,
    // `monitored`: the tenant's policy only watches.
    decision: z.enum(['step_up', 'block', 'allowed_by_step_up', 'monitored']),
  }),
  ANOMALY_CHECK_SKIPPED: z.strictObject({
    at: z.enum(['login', 'refresh']),
    cause: z.enum(['error', 'timeout', 'breaker_open', 'schema_missing_tables']),
  }),
  LOGIN_BLOCKED: z.strictObject({ at: z.enum(['login', 'refresh']), score, reasons }),
  RISK_POLICY_CHANGED: z.strictObject({
    version: z.number().int().min(1),
    before: policy,
    after: policy,
    // Whom it leaves without a proof: there only if its author forced it.
    lockedOut: z.array(z.uuid()).optional(),
  }),
  RISK_VERDICT_GIVEN: z.strictObject({
    staffId: z.uuid(),
    score,
    verdict,
    note: z.string().nullable(),
    before: verdict.nullable(),
  }),
  STEP_UP_REQUIRED: z.strictObject({
    purpose,
    origin,
    methods: z.array(z.string()),
    act: z.string().optional(),
  }),
  STEP_UP_VERIFIED: z.strictObject({
    purpose,
    origin,
    method: z.string(),
    act: z.string().optional(),
  }),
  STEP_UP_FAILED: z.strictObject({
    purpose,
    origin,
    reason: z.enum([
      'wrong_code',
      'code_already_used',
      'account_budget',
      'factor_unreadable',
      'wrong_passkey',
      'passkey_copied',
    ]),
  }),
  SESSION_INVALIDATED: z.strictObject({
    // `session_limit`: the person signed in once more than their tenant's policy allows, and the oldest session ended.
    reason: z.enum([
      'logout',
      'manual',
      'force_logout',
      'reuse_detected',
      'security_event',
      'session_limit',
    ]),
    sessionVersion: z.number().int().optional(),
    sessionsRevoked: z.number().int(),
    tokensRevoked: z.number().int(),
    degraded,
  }),
  // An operator ended what a failover may have brought back; each person has an event of their own.
  SESSIONS_ENDED: z.strictObject({
    since: z.string(),
    until: z.string().nullable(),
    people: z.number().int().min(1),
    sessions: z.number().int().min(0),
    via,
  }),
  // Somebody followed the link of a notice and ended their sessions.
  NOTICE_ANSWERED: z.strictObject({ kind: noticeKind, passwordExpired: z.boolean().optional() }),
  // Their sessions were in somebody else's hands: how much of what these taught was forgotten.
  STAFF_COMPROMISED: z.strictObject({
    via,
    devices: z.number().int(),
    networks: z.number().int(),
    countries: z.number().int(),
    addresses: z.number().int(),
  }),
  PASSWORD_EXPIRED: z.strictObject({ via }),
  PASSWORD_SET: z.strictObject({ via }),
  // A passkey that is synced between devices, or was: no refusal, but something to see.
  PASSKEY_SIGNAL: z.strictObject({
    signal: z.enum(['counter_stalled', 'backed_up', 'backup_ended']),
  }),
  FACTOR_ENROLLMENT_STARTED: z.strictObject({ factor }),
  // `factorIds` where the subject is their owner: an operator acted, or more than one may go at once.
  FACTOR_ENROLLED: z.strictObject({ factor, via, factorIds: z.array(z.uuid()).optional() }),
  FACTOR_REMOVED: z.strictObject({ factor, via, factorIds: z.array(z.uuid()).optional() }),
  PASSWORD_REHASHED: z.strictObject({}),
  TENANT_CREATED: z.strictObject({ slug: z.string(), via }),
  STAFF_CREATED: z.strictObject({ permissions, via }),
  STAFF_DISABLED: z.strictObject({ via }),
  // Since when they had been disabled: the row forgets it.
  STAFF_ENABLED: z.strictObject({ disabledAt: z.string().nullable(), via }),
  STAFF_PERMISSIONS_CHANGED: z.strictObject({ before: permissions, after: permissions, via }),
  STAFF_UNLOCKED: z.strictObject({ via }),
  // `normalized`: the same mailbox in its one spelling. The addresses themselves are in the person's row alone.
  STAFF_EMAIL_CHANGED: z.strictObject({ change: z.enum(['renamed', 'normalized']), via }),
  /** An operator vouched for a key that nothing in the database proved. */
  KEY_ADOPTED: z.strictObject({ setting: z.string(), keyId: z.string() }),
  DATA_EXPORT_REQUESTED: z.strictObject({ kind: exportKind, ...range }),
  DATA_EXPORT_COMPLETED: z.strictObject({
    kind: exportKind,
    ...range,
    files: z.array(z.strictObject({ name: z.string(), rows: z.number().int() })),
    bytes: z.number().int(),
    // Of a bundle: the head of the log that it is proven against.
    checkpoint: z.strictObject({ size: z.number().int(), rootHash: z.string() }).optional(),
  }),
  DATA_EXPORT_FAILED: z.strictObject({
    kind: exportKind,
    ...range,
    // `process_ended`: nobody recorded its end, and no process works on it any more.
    reason: z.enum(['audit_log_busy', 'client_closed', 'database', 'error', 'process_ended']),
    // Nothing had been sent, and the proof that it had used up can be used once more.
    proofGivenBack: z.literal(true).optional(),
  }),
  // The log is shorter than it was, or another one: a backup was restored, or a failover lost the end of it. Sign-outs and forced
  // logouts of that time are undone with it: `admin sessions end` ends what may have come back.
  AUDIT_LOG_ROLLED_BACK: z
    .strictObject({
      // A file holds notes alone: which number a lost one had is not known.
      known: z.strictObject({ checkpoint: z.number().int().nullable(), note: z.string() }),
      by: z.enum(['sealer', 'file', 'webhook']),
    })
    .or(
      z.strictObject({
        leaf: z.strictObject({
          logId: z.uuid(),
          leafIndex: z.number().int(),
          leafHash: z.string(),
        }),
        by: z.literal('feed'),
      }),
    ),
  // An operator has events sent again, or left out: `to` is the next that is sent.
  EVENT_FEED_MOVED: z.strictObject({
    logId: z.uuid(),
    from: z.number().int().min(0),
    to: z.number().int().min(0),
    via,
  }),
  // Before it grew, a log was not what had been signed: rewritten, or by a key that is not believed.
  AUDIT_LOG_REWRITTEN: z.strictObject({ logId: z.uuid(), size: z.number().int().min(1) }),
  // The database is a copy, restored into another cluster.
  AUDIT_LOG_MOVED: z.strictObject({ sealed: z.number().int().min(0) }),
  SCHEMA_HEALTH_FAILED: schemaHealth,
  // What it was restored from.
  SCHEMA_HEALTH_RESTORED: schemaHealth,
  // A null is what the caller did not say.
  SCHEMA_MIGRATED: z.strictObject({
    tag: z.string(),
    hash: z.string(),
    durationMs: z.number().int().min(0),
    codeVersion: z.string().nullable(),
    appliedBy: z.string().nullable(),
  }),
  // Reserved for the views that already name them; the features that write them come later.
  IMPERSONATION_STARTED: z.strictObject({}),
  IMPERSONATION_ENDED: z.strictObject({}),
  IP_RULE_CREATED: z.strictObject({}),
  IP_RULE_UPDATED: z.strictObject({}),
  IP_RULE_DELETED: z.strictObject({}),
} as const;

export type AuditAction = keyof typeof AUDIT_ACTIONS;

/** The filtered view that the security-events export shows: no separate source. */
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
