import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

/** Metrics of the schema guard. */
const schemaMetrics = (registers: Registry[]) => ({
  schemaMissingTables: new Gauge({
    name: 'gatehouse_schema_missing_tables',
    help: 'Tables that the code expects and the database lacks',
    registers,
  }),
  schemaDifferences: new Gauge({
    name: 'gatehouse_schema_differences',
    help: 'Objects of the database that are not what the migrations make, by problem',
    labelNames: ['problem'] as const,
    registers,
  }),
  schemaNewer: new Gauge({
    name: 'gatehouse_schema_newer',
    help: '1 while a newer release has migrated the database than the one that runs',
    registers,
  }),
  schemaLastLook: new Gauge({
    name: 'gatehouse_schema_last_look_seconds',
    help: 'When the schema was last looked at whole, in seconds since 1970',
    registers,
  }),
  schemaLooksFailed: new Counter({
    name: 'gatehouse_schema_looks_failed_total',
    help: 'Looks at the schema that could not be made',
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
    help: 'Requests whose client address a trusted proxy did not send in a usable form',
    registers,
  }),
});

/** Metrics of the risk gate. */
const riskMetrics = (registers: Registry[]) => ({
  anomalyChecksSkipped: new Counter({
    name: 'gatehouse_anomaly_checks_skipped_total',
    help: 'Scorings that failed open, by cause',
    labelNames: ['cause'] as const,
    registers,
  }),
  riskDecisionsLost: new Counter({
    name: 'gatehouse_risk_decisions_lost_total',
    help: 'Risk decisions whose explanation could not be written down',
    registers,
  }),
  broadcastHears: new Gauge({
    name: 'gatehouse_broadcast_hears',
    help: '1 while this node hears what the others have changed',
    registers,
  }),
});

/** Metrics of the mail queue. */
const mailMetrics = (registers: Registry[]) => ({
  mails: new Counter({
    name: 'gatehouse_mails_total',
    help: 'Tries to send a mail by how they ended: sent, failed (tried again later), given_up',
    labelNames: ['outcome'] as const,
    registers,
  }),
  mailsWaiting: new Gauge({
    name: 'gatehouse_mails_waiting',
    help: 'Mails that are neither sent nor given up, on all nodes',
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
    help: 'Audit events that this node has put into their trees',
    registers,
  }),
  auditSealedAt: new Gauge({
    name: 'gatehouse_audit_sealed_seconds',
    help: 'When this node last saw every event under a checkpoint, by its own or another hand, in seconds since 1970',
    registers,
  }),
  auditRewritten: new Counter({
    name: 'gatehouse_audit_rewritten_total',
    help: 'Logs that were found to be other than what had been signed',
    registers,
  }),
  auditRolledBack: new Counter({
    name: 'gatehouse_audit_rolled_back_total',
    help: 'Times that the audit log was found shorter than it had been: an older backup, or a lost failover',
    registers,
  }),
});

/** Metrics of checkpoint delivery; `sink` is `file` or `webhook`. */
const checkpointMetrics = (registers: Registry[]) => ({
  checkpointDeliveries: new Counter({
    name: 'gatehouse_checkpoint_deliveries_total',
    help: 'Checkpoints delivered by this node, and its tries that failed, by sink',
    labelNames: ['sink', 'outcome'] as const,
    registers,
  }),
  checkpointsBehind: new Gauge({
    name: 'gatehouse_checkpoints_behind',
    help: 'Checkpoints that a sink has not got yet, on all nodes; a few too many where numbers were left out',
    labelNames: ['sink'] as const,
    registers,
  }),
  checkpointLag: new Gauge({
    name: 'gatehouse_checkpoint_lag_seconds',
    help: 'Age of the oldest checkpoint that a sink has not got yet; 0 where it has them all',
    labelNames: ['sink'] as const,
    registers,
  }),
});

/** Metrics of the event feed, which sends audit events to a receiver as they are sealed. */
const feedMetrics = (registers: Registry[]) => ({
  feedDelivered: new Counter({
    name: 'gatehouse_event_feed_delivered_total',
    help: 'Audit events that this node has delivered to the receiver; those that were sent again count again',
    registers,
  }),
  feedFailures: new Counter({
    name: 'gatehouse_event_feed_failures_total',
    help: 'Requests of this node that the receiver did not take',
    registers,
  }),
  feedBehind: new Gauge({
    name: 'gatehouse_event_feed_behind',
    help: 'Audit events under a checkpoint that the receiver has not got yet, of all logs and nodes',
    registers,
  }),
  feedLag: new Gauge({
    name: 'gatehouse_event_feed_lag_seconds',
    help: 'Since the oldest event was sealed that the receiver has not got yet; 0 where it has them all',
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
      help: 'Logins by how they ended',
      labelNames: ['outcome'] as const,
      registers,
    }),
    refreshes: new Counter({
      name: 'gatehouse_refreshes_total',
      help: 'Refreshes by how they ended',
      labelNames: ['outcome'] as const,
      registers,
    }),
    degradedTokens: new Counter({
      name: 'gatehouse_degraded_tokens_total',
      help: 'Tokens issued without a session because user_sessions was missing',
      registers,
    }),
    backgroundFailures: new Counter({
      name: 'gatehouse_background_failures_total',
      help: 'Work after an answer that failed without failing the answer',
      labelNames: ['task'] as const,
      registers,
    }),
    exports: new Counter({
      name: 'gatehouse_exports_total',
      help: 'Exports by how they ended',
      labelNames: ['outcome'] as const,
      registers,
    }),
    ...clockMetrics(registers),
    ...auditMetrics(registers),
    ...checkpointMetrics(registers),
    ...feedMetrics(registers),
    ...riskMetrics(registers),
    ...mailMetrics(registers),
    ...schemaMetrics(registers),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;
