import type { Db } from '../../db';
import type { Logger } from '../../logger';
import type { Metrics } from '../../metrics';
import { SECOND_MS } from '../../durations';
import { nameDifference } from '../catalogue/compareCatalogues';
import type { Difference } from '../catalogue/compareCatalogues';
import { shareRuns } from '../../shareRuns';
import type { SchemaReport } from './inspectSchema';
import { recordSchemaHealth } from './recordSchemaHealth';
import { schemaHealthCheck } from './checkSchemaHealth';
import type { SchemaHealth } from './checkSchemaHealth';
import { isSound, sameView } from './schemaView';
import type { SchemaView } from './schemaView';

export interface SchemaGuard {
  /** Returns the tables that were missing at the last check; empty before the first. */
  missing(): readonly string[];
  /** Returns false while tables are missing, because scoring would read them. */
  scoringEnabled(): boolean;
  /**
   * Checks only that the tables exist, by one small query. It is for a request that has just failed
   * on a missing table.
   */
  checkTables(): Promise<SchemaHealth>;
  /**
   * Checks everything. It logs and audits the changes since the last check, and updates the
   * metrics. Callers that arrive while a check runs share the next one.
   * @throws the error of a check that could not be made; the known state stays
   */
  check(): Promise<GuardReport>;
  /**
   * Checks now and then at every interval, until {@link SchemaGuard.stop}.
   * @param onFailure receives the error if the first check could not be made; without it, the error
   *   is logged
   * @returns undefined if the first check could not be made
   */
  start(onFailure?: (error: unknown) => void): Promise<GuardReport | undefined>;
  stop(): void;
}

export interface GuardReport extends SchemaReport {
  missing: readonly string[];
}

/** The last known state. */
interface Known extends SchemaView {
  newer: boolean;
}

interface GuardDeps {
  db: Db;
  logger: Logger;
  metrics: Metrics;
  intervalSec: number;
  inspect: () => Promise<SchemaReport>;
}

const isMissingTable = ({ problem, kind }: Difference) => problem === 'missing' && kind === 'table';

function meter({ schemaDifferences, ...metrics }: Metrics, report: SchemaReport): void {
  for (const problem of ['missing', 'changed', 'extra'] as const) {
    const count = report.differences.filter((difference) => difference.problem === problem).length;
    schemaDifferences.set({ problem }, count);
  }
  metrics.schemaNewer.set(report.newer ? 1 : 0);
  metrics.schemaLastLook.setToCurrentTime();
}

function say(logger: Logger, before: Known, now: Known): void {
  const { missing, findings } = now;
  if (now.newer && !before.newer) {
    const sentence = 'a newer release has migrated the database: replace this one';
    logger.warn({ code: 'SCHEMA_NEWER' }, sentence);
  }
  if (missing.length > 0 && missing.join() !== before.missing.join()) {
    logger.error({ code: 'SCHEMA_MISSING_TABLES', missing }, 'SCHEMA_MISSING_TABLES');
  }
  if (findings.length > 0 && findings.join() !== before.findings.join()) {
    logger.error({ code: 'SCHEMA_DRIFT', findings }, 'SCHEMA_DRIFT');
  }
  if (isSound(now) && !isSound(before)) {
    const restored = [...before.missing, ...before.findings];
    logger.info({ code: 'SCHEMA_RESTORED', restored }, 'SCHEMA_RESTORED');
  }
}

/**
 * Compares the live database with the schema that the code expects, at the start and every minute
 * after it.
 */
export function createSchemaGuard(deps: GuardDeps): SchemaGuard {
  const { db, logger, metrics } = deps;
  let view: Known = { missing: [], findings: [], newer: false };
  let looked = false;
  let timer: NodeJS.Timeout | undefined;

  async function turnTo(now: Known): Promise<void> {
    const before = view;
    const first = !looked;
    view = now;
    looked = true;
    metrics.schemaMissingTables.set(now.missing.length);
    say(logger, before, now);
    // The first check of a process may find that a failure was repaired while no process ran.
    if (first || !sameView(before, now)) await recordSchemaHealth({ db, logger }, before, now);
  }

  const checkTables = shareRuns(async () => {
    const health = await schemaHealthCheck(db);
    await turnTo({ ...view, missing: health.missing });
    return health;
  });

  const check = shareRuns(async () => {
    const { missing } = await schemaHealthCheck(db);
    try {
      const report = await deps.inspect();
      const findings = report.differences.filter((one) => !isMissingTable(one)).map(nameDifference);
      meter(metrics, report);
      await turnTo({ missing, findings, newer: report.newer });
      return { ...report, missing };
    } catch (error) {
      // Scoring depends on the tables. Their state is known even if the rest could not be read.
      await turnTo({ ...view, missing });
      throw error;
    }
  });

  const warn = (err: unknown) => logger.warn({ err }, 'the schema could not be checked');

  async function checkQuietly(onFailure = warn): Promise<GuardReport | undefined> {
    try {
      return await check();
    } catch (error) {
      metrics.schemaLooksFailed.inc();
      onFailure(error);
      return undefined;
    }
  }

  return {
    missing: () => view.missing,
    scoringEnabled: () => view.missing.length === 0,
    checkTables,
    check,
    start(onFailure) {
      timer = setInterval(() => void checkQuietly(), deps.intervalSec * SECOND_MS);
      timer.unref();
      return checkQuietly(onFailure);
    },
    stop: () => clearInterval(timer),
  };
}
