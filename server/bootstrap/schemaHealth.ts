import { sql } from 'drizzle-orm';
import { getTableName, is } from 'drizzle-orm';
import { PgTable } from 'drizzle-orm/pg-core';
import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
// The health check is also called by itself, from scripts and tests: that is what the shared handle is for.
// eslint-disable-next-line no-restricted-imports
import { db as sharedDb } from '../db';
import type { Db } from '../db';
import * as schema from '../db/schema';
import type { Logger } from '../logger';
import type { Metrics } from '../metrics';

export interface SchemaHealth {
  ok: boolean;
  /** The names of the tables that the code expects and the database lacks. */
  missing: string[];
}

/** Every table that the Drizzle schema names: the list cannot go stale. */
export const REQUIRED_TABLES: readonly string[] = Object.values(schema)
  .filter((value) => is(value, PgTable))
  .map((table) => getTableName(table))
  .sort();

/**
 * Looks for the tables that the code needs.
 * @param database the handle to look with; the shared one unless given
 * @throws the driver's error where it could not look, which is not the same as nothing missing
 */
export async function schemaHealthCheck(database: Db = sharedDb): Promise<SchemaHealth> {
  const result = await database.execute<{ name: string }>(
    sql`SELECT name FROM unnest(${sql.param([...REQUIRED_TABLES])}::text[]) AS name
        WHERE to_regclass('public.' || quote_ident(name)) IS NULL ORDER BY name`,
  );
  const missing = result.rows.map((row) => row.name);
  return { ok: missing.length === 0, missing };
}

export interface SchemaGuard {
  /** What the last look found; empty before the first. */
  missing(): readonly string[];
  /** False while tables are missing: scoring would read what is not there. */
  scoringEnabled(): boolean;
  /** Looks now, and logs, audits and meters a change since the last look. */
  check(): Promise<SchemaHealth>;
  /** Looks now and then at every interval, until {@link SchemaGuard.stop}. */
  start(): Promise<void>;
  stop(): void;
}

interface GuardDeps {
  db: Db;
  logger: Logger;
  metrics: Metrics;
  intervalSec: number;
}

const SYSTEM_CONTEXT: RequestContext = {
  correlationId: 'schema-guard',
  tenantId: null,
  actor: 'system',
  sessionId: null,
  ip: null,
  country: null,
  userAgent: null,
};

/** Compares the live database with what the code expects, at boot and every minute after. */
export function createSchemaGuard(deps: GuardDeps): SchemaGuard {
  let missing: readonly string[] = [];
  let timer: NodeJS.Timeout | undefined;

  async function audit(
    action: 'SCHEMA_HEALTH_FAILED' | 'SCHEMA_HEALTH_RESTORED',
    tables: string[],
  ) {
    const outcome = action === 'SCHEMA_HEALTH_FAILED' ? 'failure' : 'success';
    const details = { missing: tables };
    try {
      await deps.db.transaction((tx) =>
        recordAudit(tx, SYSTEM_CONTEXT, { action, outcome, details }),
      );
    } catch (error) {
      deps.logger.error({ err: error, action }, 'schema health could not be audited');
    }
  }

  async function check(): Promise<SchemaHealth> {
    const health = await schemaHealthCheck(deps.db);
    const before = missing;
    missing = health.missing;
    deps.metrics.schemaMissingTables.set(missing.length);
    if (before.join() === missing.join()) return health;
    if (missing.length > 0) {
      deps.logger.error({ code: 'SCHEMA_MISSING_TABLES', missing }, 'SCHEMA_MISSING_TABLES');
      // With the log's own table missing, the log line above is all there can be.
      if (!missing.includes('audit_logs')) await audit('SCHEMA_HEALTH_FAILED', health.missing);
    } else {
      deps.logger.info({ code: 'SCHEMA_RESTORED', restored: before }, 'SCHEMA_RESTORED');
      await audit('SCHEMA_HEALTH_RESTORED', [...before]);
    }
    return health;
  }

  async function checkQuietly(): Promise<void> {
    try {
      await check();
    } catch (error) {
      deps.logger.warn({ err: error }, 'the schema could not be checked');
    }
  }

  return {
    missing: () => missing,
    scoringEnabled: () => missing.length === 0,
    check,
    async start() {
      timer = setInterval(() => void checkQuietly(), deps.intervalSec * 1000);
      timer.unref();
      await checkQuietly();
    },
    stop: () => clearInterval(timer),
  };
}
