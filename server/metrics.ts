import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

/** Metrics of the schema guard. */
const schemaMetrics = (registers: Registry[]) => ({
  schemaMissingTables: new Gauge({
    name: 'gatehouse_schema_missing_tables',
    help: 'Tables that the code expects but that are missing in the database',
    registers,
  }),
  schemaDifferences: new Gauge({
    name: 'gatehouse_schema_differences',
    help: 'Database objects that differ from what the migrations make, by problem',
    labelNames: ['problem'] as const,
    registers,
  }),
  schemaNewer: new Gauge({
    name: 'gatehouse_schema_newer',
    help: '1 while the database was migrated by a newer release than the running one',
    registers,
  }),
  schemaLastLook: new Gauge({
    name: 'gatehouse_schema_last_look_seconds',
    help: 'Time of the last complete check of the schema, in seconds since 1970',
    registers,
  }),
  schemaLooksFailed: new Counter({
    name: 'gatehouse_schema_looks_failed_total',
    help: 'Checks of the schema that failed to run',
    registers,
  }),
});

/** Metrics of HTTP requests. */
const httpMetrics = (registers: Registry[]) => ({
  requests: new Histogram({
    name: 'gatehouse_http_request_seconds',
    help: 'Requests by route and status',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
    registers,
  }),
  requestsRefused: new Counter({
    name: 'gatehouse_http_refused_total',
    help: 'Requests that were refused before they reached a route, by error code',
    labelNames: ['code'] as const,
    registers,
  }),
  requestsWithoutAddress: new Counter({
    name: 'gatehouse_requests_without_address_total',
    help: 'Requests for which a trusted proxy sent no usable client address',
    registers,
  }),
});

/** Metrics of the rate limits. */
const limitMetrics = (registers: Registry[]) => ({
  rateLimited: new Counter({
    name: 'gatehouse_rate_limited_total',
    help: 'Requests refused by a rate limit, by policy, for example address, account or tenant',
    labelNames: ['policy'] as const,
    registers,
  }),
  rateLimitsSkipped: new Counter({
    name: 'gatehouse_rate_limits_skipped_total',
    help: 'Requests that were let through because the rate limits could not be read',
    registers,
  }),
});

/** Metrics of the changes that guards hear of. */
const accessChangeMetrics = (registers: Registry[]) => ({
  accessStreams: new Gauge({
    name: 'gatehouse_access_streams',
    help: 'Open streams of access changes',
    registers,
  }),
  accessChangesVouched: new Gauge({
    name: 'gatehouse_access_changes_vouched',
    help: '1 while the access changes are known to be complete; 0 while they are not, or nobody listens',
    registers,
  }),
  accessChangeDelivery: new Histogram({
    name: 'gatehouse_access_change_delivery_seconds',
    help: 'Time from writing an access change to its delivery, by the clock of the database',
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
    registers,
  }),
});

/** Metrics of the risk gate. */
const riskMetrics = (registers: Registry[]) => ({
  anomalyChecksSkipped: new Counter({
    name: 'gatehouse_anomaly_checks_skipped_total',
    help: 'Risk scorings that failed and let the attempt through, by cause',
    labelNames: ['cause'] as const,
    registers,
  }),
  riskDecisionsLost: new Counter({
    name: 'gatehouse_risk_decisions_lost_total',
    help: 'Risk decisions whose explanation could not be stored',
    registers,
  }),
  broadcastReceiving: new Gauge({
    name: 'gatehouse_broadcast_hears',
    help: '1 while this node receives the change notices of the other nodes',
    registers,
  }),
});

/** Metrics of the mail queue. */
const mailMetrics = (registers: Registry[]) => ({
  mails: new Counter({
    name: 'gatehouse_mails_total',
    help: 'Attempts to send a mail by outcome: sent, failed (retried later), given_up',
    labelNames: ['outcome'] as const,
    registers,
  }),
  mailsWaiting: new Gauge({
    name: 'gatehouse_mails_waiting',
    help: 'Mails that are waiting: neither sent nor given up, on all nodes',
    registers,
  }),
});

/** Metrics of this machine's clock. */
const clockMetrics = (registers: Registry[]) => ({
  clockOffset: new Gauge({
    name: 'gatehouse_clock_offset_seconds',
    help: "How far this node's wall clock is ahead of the database's; negative if it is behind",
    registers,
  }),
});

/** Metrics of the audit log's trees. */
const auditMetrics = (registers: Registry[]) => ({
  auditSealed: new Counter({
    name: 'gatehouse_audit_events_sealed_total',
    help: 'Audit events that this node has sealed into their trees',
    registers,
  }),
  auditSealedAt: new Gauge({
    name: 'gatehouse_audit_sealed_seconds',
    help: 'Time at which this node last saw every event covered by a checkpoint, no matter which node signed it, in seconds since 1970',
    registers,
  }),
  auditRewritten: new Counter({
    name: 'gatehouse_audit_rewritten_total',
    help: 'Logs found to differ from what had been signed',
    registers,
  }),
  auditRolledBack: new Counter({
    name: 'gatehouse_audit_rolled_back_total',
    help: 'Times that the audit log was found shorter than before: an older backup was restored, or a failover lost its end',
    registers,
  }),
});

/** Metrics of checkpoint delivery; `sink` is `file` or `webhook`. */
const checkpointMetrics = (registers: Registry[]) => ({
  checkpointDeliveries: new Counter({
    name: 'gatehouse_checkpoint_deliveries_total',
    help: 'Checkpoints that this node delivered, and its failed attempts, by sink',
    labelNames: ['sink', 'outcome'] as const,
    registers,
  }),
  checkpointsBehind: new Gauge({
    name: 'gatehouse_checkpoints_behind',
    help: 'Checkpoints that a sink has not received yet, on all nodes; a few too many if ids were skipped',
    labelNames: ['sink'] as const,
    registers,
  }),
  checkpointLag: new Gauge({
    name: 'gatehouse_checkpoint_lag_seconds',
    help: 'Age of the oldest checkpoint that a sink has not received yet; 0 if it has received all',
    labelNames: ['sink'] as const,
    registers,
  }),
});

/** Metrics of the event feed, which sends audit events to a receiver as they are sealed. */
const feedMetrics = (registers: Registry[]) => ({
  feedDelivered: new Counter({
    name: 'gatehouse_event_feed_delivered_total',
    help: 'Audit events that this node delivered to the receiver; an event that was sent again counts again',
    registers,
  }),
  feedFailures: new Counter({
    name: 'gatehouse_event_feed_failures_total',
    help: 'Requests of this node that the receiver did not accept',
    registers,
  }),
  feedBehind: new Gauge({
    name: 'gatehouse_event_feed_behind',
    help: 'Audit events under a checkpoint that the receiver has not received yet, of all logs and nodes',
    registers,
  }),
  feedLag: new Gauge({
    name: 'gatehouse_event_feed_lag_seconds',
    help: 'Time since the oldest event that the receiver has not received yet was sealed; 0 if it has received all',
    registers,
  }),
});

/** Creates all metrics of the process, in Prometheus' terms. */
export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  return {
    registry,
    /**
     * Adds the process's own figures (CPU, memory, event loop). Call it only in a serving process.
     */
    collectProcess: () => collectDefaultMetrics({ register: registry }),
    ...httpMetrics(registers),
    logins: new Counter({
      name: 'gatehouse_logins_total',
      help: 'Logins by outcome',
      labelNames: ['outcome'] as const,
      registers,
    }),
    ssoSignIns: new Counter({
      name: 'gatehouse_sso_sign_ins_total',
      help: 'Sign-ins at identity providers by outcome: done, or the reason of the refusal',
      labelNames: ['outcome'] as const,
      registers,
    }),
    refreshes: new Counter({
      name: 'gatehouse_refreshes_total',
      help: 'Refreshes by outcome',
      labelNames: ['outcome'] as const,
      registers,
    }),
    degradedTokens: new Counter({
      name: 'gatehouse_degraded_tokens_total',
      help: 'Tokens issued without a session because user_sessions was missing',
      registers,
    }),
    ipRuleRefusals: new Counter({
      name: 'gatehouse_ip_rule_refusals_total',
      help: 'Sign-ins, refreshes and requests that IP rules refused, by whom the rules are for',
      labelNames: ['applies_to'] as const,
      registers,
    }),
    backgroundFailures: new Counter({
      name: 'gatehouse_background_failures_total',
      help: 'Background work that failed without affecting a response',
      labelNames: ['task'] as const,
      registers,
    }),
    exports: new Counter({
      name: 'gatehouse_exports_total',
      help: 'Exports by outcome',
      labelNames: ['outcome'] as const,
      registers,
    }),
    ...clockMetrics(registers),
    ...auditMetrics(registers),
    ...checkpointMetrics(registers),
    ...feedMetrics(registers),
    ...limitMetrics(registers),
    ...accessChangeMetrics(registers),
    ...riskMetrics(registers),
    ...mailMetrics(registers),
    ...schemaMetrics(registers),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;
