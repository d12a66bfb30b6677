import { randomBytes, randomUUID } from 'node:crypto';
import { createCheckpointDeliverer, createEventFeed, createSealer } from './audit';
import type { AuditParts } from './audit';
import {
  createAccessTokens,
  createBreachedPasswords,
  createLookUpQueue,
  createPasswordHasher,
  createSessionCheck,
  readHashCosts,
} from './auth';
import type { AuthParts } from './auth';
import { openChangeReader } from './accessChanges';
import type { AccessChangeParts } from './accessChanges';
import { createProgramKeys } from './apiKeys';
import type { ProgramKeyParts } from './apiKeys';
import type { ReadyConfig } from './config';
import type { Clock, Random } from './context';
import { connect } from './db';
import type { Database } from './db';
import { createBroadcast } from './db/broadcast';
import type { Broadcast } from './db/broadcast';
import { createChangeWatch } from './db/changeWatch';
import type { ChangeWatch } from './db/changeWatch';
import { declareRoute } from './db/databaseRoute';
import { uuidV7 } from './db/ids';
import { runWithin } from './db/runWithin';
import { SECOND_MS } from './durations';
import { openDomains } from './domains';
import type { DomainParts } from './domains';
import type { HealthParts } from './health/deps';
import { createWriteProbe } from './health/writeProbe';
import type { HttpParts } from './http/deps';
import { createDrain } from './http/drain';
import { createProxyWatch } from './http/proxyWatch';
import { watchImpersonations } from './impersonation';
import type { ImpersonationParts } from './impersonation';
import type { Kernel } from './kernel';
import { openIpRules } from './ipRules';
import type { IpRuleParts } from './ipRules';
import { createKeyRing } from './keyRing';
import { createLogger } from './logger';
import { openRateLimits } from './limits';
import type { LimitParts } from './limits';
import type { Logger } from './logger';
import { createMailer } from './mail';
import type { MailParts } from './mail';
import { createMetrics } from './metrics';
import { createNodeClock } from './nodeClock';
import { inspectSchema } from './schema/guard/inspectSchema';
import { createSchemaGuard } from './schema/guard/schemaGuard';
import type { SchemaGuard } from './schema/guard/schemaGuard';
import { createSimulationLine } from './simulationLine';
import {
  createBreaker,
  createDenialRecorder,
  createGeoLookup,
  createRiskCaches,
  createRiskDecisionLog,
  readIpLists,
} from './security';
import type { SecurityParts } from './security';
import { openSso } from './sso';
import type { SsoParts } from './sso';
import { watchMemberships } from './tenants';
import type { TenantParts } from './tenants';

/** Everything that is constructed once. Functions ask for the parts of their area. */
export interface Deps
  extends
    Kernel,
    HttpParts,
    AccessChangeParts,
    AuditParts,
    MailParts,
    IpRuleParts,
    SecurityParts,
    AuthParts,
    LimitParts,
    HealthParts,
    ProgramKeyParts,
    ImpersonationParts,
    DomainParts,
    SsoParts,
    TenantParts {
  /** Waits for work in progress and closes every connection. */
  close(): Promise<void>;
}

const BETWEEN_TIMEOUT_MS = 2000;
/**
 * The scorer and the rate limits have their own connections: a slow database must not let them hold
 * the connections that logins need, and other requests must not make them wait. Histories and
 * policies are read by at most two statements each at a time, and the rate limits send one at a
 * time, so five are always enough.
 */
const RISK_POOL_SIZE = 5;

const systemRandom = (clock: Clock): Random => ({
  bytes: randomBytes,
  id: () => uuidV7(clock.now().getTime(), randomBytes(16)),
});

function openDatabases(
  config: ReadyConfig,
  logger: Logger,
): Record<'main' | 'risk' | 'between' | 'changes' | 'rules', Database> {
  const onIdleError = (err: Error) => logger.warn({ err }, 'an idle database connection broke');
  const url = config.databaseUrl;
  const single = {
    url,
    poolSize: 1,
    statementTimeoutMs: BETWEEN_TIMEOUT_MS,
    reserved: true,
    onIdleError,
  };
  if (config.databasePooler !== 'auto') declareRoute(url, config.databasePooler);
  return {
    main: connect({
      url,
      poolSize: config.databasePoolSize,
      waitMs: config.databaseWaitMs,
      statementTimeoutMs: config.databaseStatementTimeoutMs,
      onIdleError,
    }),
    risk: connect({
      url,
      poolSize: RISK_POOL_SIZE,
      statementTimeoutMs: config.anomalyTimeoutMs,
      reserved: true,
      onIdleError,
    }),
    // One connection each of their own, so that messages between nodes, messages to guards, and the
    // IP rules never wait for requests. The second is opened only for guards.
    between: connect(single),
    changes: connect(single),
    // Requests wait for it, so it gives up sooner.
    rules: connect({ ...single, statementTimeoutMs: SECOND_MS }),
  };
}

function openSchemaGuard(
  config: ReadyConfig,
  deps: Pick<Deps, 'db' | 'logger' | 'metrics'>,
): SchemaGuard {
  const { databaseUrl, databaseWaitMs: waitMs, migrationsDir, schemaKnownRoles } = config;
  return createSchemaGuard({
    ...deps,
    intervalSec: config.schemaCheckIntervalSec,
    inspect: () =>
      inspectSchema({ databaseUrl, waitMs, migrationsDir, knownRoles: schemaKnownRoles }),
  });
}

function openBroadcast(
  config: ReadyConfig,
  { pool }: Database,
  deps: Pick<Deps, 'random' | 'logger' | 'metrics'>,
): Broadcast {
  return createBroadcast({
    url: config.databaseUrl,
    nodeId: deps.random.id(),
    publish: (channel, payload) => pool.query('SELECT pg_notify($1, $2)', [channel, payload]),
    onChange(receiving) {
      deps.metrics.broadcastReceiving.set(receiving ? 1 : 0);
      if (receiving) deps.logger.info('notifications of other nodes are received');
      else
        deps.logger.warn(
          'notifications of other nodes are not received: cached values are kept for a shorter time',
        );
    },
  });
}

/** Creates the services that seal the audit log and deliver it outside the database. */
function openAuditLog(
  config: ReadyConfig,
  { keys, ...deps }: Pick<Deps, 'keys' | 'clock' | 'random' | 'logger' | 'metrics'>,
): Pick<Deps, 'sealer' | 'deliverer' | 'eventFeed'> {
  const { databaseUrl, checkpoints, eventFeed: settings, version: release } = config;
  const beside = { databaseUrl, ...deps };
  return {
    sealer: createSealer({ ...beside, keys }),
    deliverer: createCheckpointDeliverer({ ...beside, checkpoints }),
    eventFeed: createEventFeed({ ...beside, settings, release }),
  };
}

const openChangeWatch = (
  { pool }: Database,
  { logger, metrics }: Pick<Deps, 'logger' | 'metrics'>,
): ChangeWatch =>
  createChangeWatch({
    pool,
    onFailure(err) {
      metrics.backgroundFailures.inc({ task: 'watch_changes' });
      logger.warn({ err }, 'the versions of changed data could not be read');
    },
  });

/** Creates the caches of scoring. The reads of an introspection past them have the limits of a request. */
const openRiskCaches = (
  { risk, main }: Record<'risk' | 'main', Database>,
  { anomalyTimeoutMs, databaseStatementTimeoutMs }: ReadyConfig,
  beside: Pick<Deps, 'clock' | 'broadcast' | 'changeWatch'>,
) =>
  createRiskCaches({
    run: runWithin(risk.pool, anomalyTimeoutMs),
    runNow: runWithin(main.pool, databaseStatementTimeoutMs),
    ...beside,
  });

/**
 * Constructs the whole server, and sends nothing yet.
 * @param overrides replacements for tests, such as the clock; `sendsMail` is false if other nodes
 * send the queued mails
 * @throws ConfigError if a key, or the file of breached passwords, is not usable
 */
export function createDeps(
  config: ReadyConfig,
  overrides: Partial<Pick<Deps, 'clock' | 'random' | 'logger' | 'geo' | 'ssoFetch'>> & {
    sendsMail?: boolean;
  } = {},
): Deps {
  const logger = overrides.logger ?? createLogger(config);
  const metrics = createMetrics();
  const keys = createKeyRing(config.secrets);
  const { main, risk, between, changes, rules } = openDatabases(config, logger);
  const { db, pool } = main;
  // The injected `random` needs this clock, so the node's id cannot come from it.
  const nodeClock = createNodeClock({ pool, nodeId: randomUUID(), logger, metrics });
  const clock = overrides.clock ?? nodeClock;
  const random = overrides.random ?? systemRandom(clock);
  const schemaGuard = openSchemaGuard(config, { db, logger, metrics });
  const broadcast = openBroadcast(config, between, { random, logger, metrics });
  const changeReader = openChangeReader({ pool: changes.pool, logger, metrics });
  const changeWatch = openChangeWatch(between, { logger, metrics });
  const ipRuleParts = openIpRules(rules.pool, {
    ...{ clock, db, broadcast, logger, metrics },
  });
  const riskDecisions = createRiskDecisionLog({ pool, logger, metrics });
  const sends = overrides.sendsMail ?? true;
  const mail = createMailer({ config, db, keys, logger, metrics, sends });
  const auditLog = openAuditLog(config, { keys, clock, random, logger, metrics });
  const programKeys = createProgramKeys({ pool, keys, logger, metrics });
  const beside = { db, pool, clock, random, keys, mail, logger, metrics };
  const impersonationEnds = watchImpersonations(beside);
  const domainParts = openDomains({ config, ...beside });
  const riskCaches = openRiskCaches({ risk, main }, config, { clock, broadcast, changeWatch });
  const membershipEnds = watchMemberships({ ...beside, schemaGuard, ...riskCaches });
  const sessionCheck = createSessionCheck({ db, pool, clock, schemaGuard, logger, metrics });
  return {
    config,
    logger,
    metrics,
    clock,
    nodeClock,
    random,
    keys,
    db,
    pool,
    schemaGuard,
    passwords: createPasswordHasher(config, { random, clock, readCosts: () => readHashCosts(db) }),
    lookUps: createLookUpQueue(config),
    breachedPasswords: createBreachedPasswords({ config, logger, metrics }),
    accessTokens: createAccessTokens(config, keys, clock, random),
    sessionCheck,
    impersonationEnds,
    membershipEnds,
    ...programKeys,
    ...{ ...ipRuleParts, ...domainParts },
    ...openSso({ config, ssoFetch: overrides.ssoFetch }),
    geo: overrides.geo ?? createGeoLookup(config.geoipDb, config.geoipAsnDb),
    ipLists: readIpLists(config.ipLists),
    ...riskCaches,
    riskBreaker: createBreaker(clock),
    rateLimits: openRateLimits({ config, pool: risk.pool, keys, clock, logger, metrics }),
    riskDecisions,
    simulations: createSimulationLine(),
    proxyWatch: createProxyWatch({ clock, logger, metrics }),
    denials: createDenialRecorder({ db, clock }),
    mail,
    ...auditLog,
    broadcast,
    changeWatch,
    changeReader,
    writeProbe: createWriteProbe({ pool, nodeId: random.id() }),
    drain: createDrain(),
    async close() {
      schemaGuard.stop();
      const asides = [nodeClock.stop(), sessionCheck.settle(), riskDecisions.flush(), mail.close()];
      const { domainChecks } = domainParts;
      const ends = [impersonationEnds, membershipEnds, ipRuleParts.trialEnds, domainChecks];
      const uses = [programKeys.tenantKeys.settle(), programKeys.serviceKeys.settle()];
      const deliveries = Object.values(auditLog).map((service) => service.close());
      await Promise.all([
        ...asides,
        ...uses,
        ...ends.map((turns) => turns.stop()),
        ...deliveries,
        broadcast.close(),
        changeWatch.close(),
        changeReader.close(),
      ]);
      const databases = [main, risk, between, changes, rules];
      await Promise.all(databases.map((database) => database.close()));
    },
  };
}
