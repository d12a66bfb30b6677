import type { Db } from '../db';
import type { Logger } from '../logger';
import type { Metrics } from '../metrics';
import { nameDifference } from './catalogue/compareCatalogues';
import type { Difference } from './catalogue/compareCatalogues';
import type { SchemaReport } from './inspectSchema';
import { recordSchemaHealth } from './recordSchemaHealth';
import { schemaHealthCheck } from './schemaHealth';
import type { SchemaHealth } from './schemaHealth';
import { isSound, sameView } from './schemaView';
import type { SchemaView } from './schemaView';

export interface SchemaGuard {
  /** The tables that were missing at the last look; empty before the first. */
  missing(): readonly string[];
  /** False while tables are missing: scoring would read what is not there. */
  scoringEnabled(): boolean;
  /** Looks for the tables alone: one small query, for a request that has just run into a missing one. */
  checkTables(): Promise<SchemaHealth>;
  /**
   * Looks at everything, and logs, audits and meters what changed since the last look. Whoever asks while a
   * look is under way shares the next.
   * @throws where it could not look; what was known stays
   */
  check(): Promise<GuardReport>;
  /**
   * Looks now and then at every interval, until {@link SchemaGuard.stop}.
   * @param onFailure told why the look of now could not look; it is logged if nobody is told
   * @returns undefined if it could not look
   */
  start(onFailure?: (error: unknown) => void): Promise<GuardReport | undefined>;
  stop(): void;
}

export interface GuardReport extends SchemaReport {
  missing: readonly string[];
}

/** What the guard last knew. */
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

/** Runs one at a time; whoever comes during a run shares the next, which begins after they came. */
function shareRuns<T>(run: () => Promise<T>): () => Promise<T> {
  let current: Promise<T> | undefined;
  let next: Promise<T> | undefined;
  const begin = () => {
    next = undefined;
    const mine = run().finally(() => {
      if (current === mine) current = undefined;
    });
    current = mine;
    return mine;
  };
  return () => {
    if (!current) return begin();
    next ??= current.then(begin, begin);
    return next;
  };
}

/** Compares the live database with what the code expects, at boot and every minute after. */
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
    // The first look of a process may be the one that finds mended what failed while none was running.
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
      // Scoring depends on the tables, and they are known, whatever else could not be read.
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
      timer = setInterval(() => void checkQuietly(), deps.intervalSec * 1000);
      timer.unref();
      return checkQuietly(onFailure);
    },
    stop: () => clearInterval(timer),
  };
}
