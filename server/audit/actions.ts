import { z } from 'zod';

const score = z.number().int().min(0).max(100);
const reasons = z.array(z.string());
const purpose = z.enum(['security_settings', 'data_export', 'impersonation']);
const origin = z.enum(['login', 'refresh', 'session']);
const degraded = z.boolean().optional();
const range = { from: z.string(), to: z.string(), format: z.enum(['csv', 'json', 'ocsf']) };
const exportKind = z.enum(['bundle', 'security_events']);
/** `recovery_code` stands for the whole set of a person's recovery codes. */
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

/** `findings` lists the first fifty; `differences` counts all of them. */
const schemaHealth = z.strictObject({
  missing: z.array(z.string()),
  findings: z.array(z.string()).max(50),
  differences: z.number().int().min(0),
});

/**
 * The closed list of actions that the audit log can hold, with the details of each action. The schemas are strict: a
 * field that is not named here is refused, so a secret cannot slip into the log.
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
    // The sign-out was authorised by the refresh token alone, without an access token.
    with: z.literal('refresh_token').optional(),
    degraded,
  }),
  // The password was right, and the answer listed the person's tenants. Each of these tenants gets the event.
  LOGIN_TENANTS_OFFERED: z.strictObject({}),
  // Logins failed on many accounts. Recorded once per window for an address, and once per window for the whole
  // installation.
  LOGIN_SPRAY_DETECTED: z.strictObject({
    over: z.enum(['address', 'installation']),
    failures: z.number().int().min(1),
    // Only if `over` is `address`: the number of different accounts, counted up to twenty.
    accounts: z.number().int().min(1).optional(),
  }),
  // `repeated`: how many further denials there were since the event before; they get no events of their own.
  PERMISSION_DENIED: z.strictObject({
    permission: z.string(),
    repeated: z.number().int().min(0),
  }),
  AUTH_TOKEN_REFRESH: z.strictObject({ degraded }),
  // The client asked again for a lost answer, with its idempotency key.
  AUTH_TOKEN_REISSUED: z.strictObject({ at: z.enum(['login', 'refresh']) }),
  REFRESH_REUSE_DETECTED: z.strictObject({ familyId: z.uuid(), alreadyEnded: z.boolean() }),
  SUSPICIOUS_LOGIN_DETECTED: z.strictObject({
    at: z.enum(['login', 'refresh']),
    score,
    reasons,
    // `monitored`: the tenant's policy only observes.
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
    // The people whom the new policy leaves without a usable proof. Present only if the author forced the change.
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
    // `session_limit`: the person signed in once more than the tenant's policy allows, so their oldest session was
    // ended.
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
  // An operator ended the sessions that a failover may have brought back. Each affected person also has an event of
  // their own.
  SESSIONS_ENDED: z.strictObject({
    since: z.string(),
    until: z.string().nullable(),
    people: z.number().int().min(1),
    sessions: z.number().int().min(0),
    via,
  }),
  // Somebody followed the link in a notice and ended their own sessions.
  NOTICE_ANSWERED: z.strictObject({ kind: noticeKind, passwordExpired: z.boolean().optional() }),
  // An attacker held the person's sessions. The counts are the learned devices, networks, countries and addresses
  // that were forgotten.
  STAFF_COMPROMISED: z.strictObject({
    via,
    devices: z.number().int(),
    networks: z.number().int(),
    countries: z.number().int(),
    addresses: z.number().int(),
  }),
  PASSWORD_EXPIRED: z.strictObject({ via }),
  PASSWORD_SET: z.strictObject({ via }),
  // A passkey is, or was, synced between devices. That is no reason to refuse it, but it should be visible.
  PASSKEY_SIGNAL: z.strictObject({
    signal: z.enum(['counter_stalled', 'backed_up', 'backup_ended']),
  }),
  FACTOR_ENROLLMENT_STARTED: z.strictObject({ factor }),
  // `factorIds` is set if the subject is the owner of the factors: an operator acted, or several factors may go at
  // once.
  FACTOR_ENROLLED: z.strictObject({ factor, via, factorIds: z.array(z.uuid()).optional() }),
  FACTOR_REMOVED: z.strictObject({ factor, via, factorIds: z.array(z.uuid()).optional() }),
  PASSWORD_REHASHED: z.strictObject({}),
  TENANT_CREATED: z.strictObject({ slug: z.string(), via }),
  STAFF_CREATED: z.strictObject({ permissions, via }),
  STAFF_DISABLED: z.strictObject({ via }),
  // Since when the person had been disabled; the staff row forgets it.
  STAFF_ENABLED: z.strictObject({ disabledAt: z.string().nullable(), via }),
  STAFF_PERMISSIONS_CHANGED: z.strictObject({ before: permissions, after: permissions, via }),
  STAFF_UNLOCKED: z.strictObject({ via }),
  // `normalized`: the same mailbox, now in its canonical spelling. The addresses themselves are only in the person's
  // row.
  STAFF_EMAIL_CHANGED: z.strictObject({ change: z.enum(['renamed', 'normalized']), via }),
  /** An operator vouched for a key that nothing in the database could prove. */
  KEY_ADOPTED: z.strictObject({ setting: z.string(), keyId: z.string() }),
  DATA_EXPORT_REQUESTED: z.strictObject({ kind: exportKind, ...range }),
  DATA_EXPORT_COMPLETED: z.strictObject({
    kind: exportKind,
    ...range,
    files: z.array(z.strictObject({ name: z.string(), rows: z.number().int() })),
    bytes: z.number().int(),
    // Only for a bundle: the signed head of the log that the bundle is proven against.
    checkpoint: z.strictObject({ size: z.number().int(), rootHash: z.string() }).optional(),
  }),
  DATA_EXPORT_FAILED: z.strictObject({
    kind: exportKind,
    ...range,
    // `process_ended`: no end was recorded, and no process works on the export any more.
    reason: z.enum(['audit_log_busy', 'client_closed', 'database', 'error', 'process_ended']),
    // Nothing had been sent, so the proof that the export had used up can be used once more.
    proofGivenBack: z.literal(true).optional(),
  }),
  // The log is shorter than it was, or a different one: a backup was restored, or a failover lost the end of it. The
  // sign-outs and forced logouts of that time are undone too: `admin sessions end` ends the sessions that may have
  // come back.
  AUDIT_LOG_ROLLED_BACK: z
    .strictObject({
      // `checkpoint` is null if a file found the loss: it holds only notes, so the number of the lost one is unknown.
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
  // An operator moved the feed's cursor to send events again or to skip some: `to` is the next leaf to be sent.
  EVENT_FEED_MOVED: z.strictObject({
    logId: z.uuid(),
    from: z.number().int().min(0),
    to: z.number().int().min(0),
    via,
  }),
  // Before the log grew, it did not match its signed checkpoint: it was rewritten, or the key that signed it is not
  // trusted.
  AUDIT_LOG_REWRITTEN: z.strictObject({ logId: z.uuid(), size: z.number().int().min(1) }),
  // The database is a copy, restored into another cluster.
  AUDIT_LOG_MOVED: z.strictObject({ sealed: z.number().int().min(0) }),
  SCHEMA_HEALTH_FAILED: schemaHealth,
  // The details describe the failure that has ended.
  SCHEMA_HEALTH_RESTORED: schemaHealth,
  // A null stands for a value that the caller did not give.
  SCHEMA_MIGRATED: z.strictObject({
    tag: z.string(),
    hash: z.string(),
    durationMs: z.number().int().min(0),
    codeVersion: z.string().nullable(),
    appliedBy: z.string().nullable(),
  }),
  // Reserved: views name these actions already; the features that write them come later.
  IMPERSONATION_STARTED: z.strictObject({}),
  IMPERSONATION_ENDED: z.strictObject({}),
  IP_RULE_CREATED: z.strictObject({}),
  IP_RULE_UPDATED: z.strictObject({}),
  IP_RULE_DELETED: z.strictObject({}),
} as const;

export type AuditAction = keyof typeof AUDIT_ACTIONS;

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
