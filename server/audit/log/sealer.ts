import type { PoolClient } from 'pg';
import { systemContext } from '../../context';
import type { Clock } from '../../context';
import { createTurns } from '../../backgroundTurns';
import { connect } from '../../db';
import type { Database } from '../../db';
import { startReadTimeout } from '../../db/readTimeout';
import { databaseFault, violatedConstraint } from '../../db/pgErrors';
import { AppError } from '../../errors';
import type { Logger } from '../../logger';
import type { Metrics } from '../../metrics';
import { SECOND_MS } from '../../durations';
import { recordAudit } from '../recordAudit';
import type { AuditEvent } from '../recordAudit';
import { sealNext } from './seal';
import type { Pass, SealDeps } from './seal';
import { hasCheckpoint, keepEvidenceKey } from './sealerStore';
import type { KnownCheckpoint } from './sealerStore';

/** Puts audit events into their trees, independently of the requests that write them. */
export interface Sealer {
  /** Checks every second for new events, until the sealer is closed. */
  start(): void;
  /**
   * Resolves once everything that was committed before the call is under a checkpoint.
   * @param waitMs how long that may take, in milliseconds; the default is ten seconds
   * @throws AppError AUDIT_LOG_BUSY if it takes longer; any error of the database
   */
  sealNow(waitMs?: number): Promise<void>;
  close(): Promise<void>;
}

export interface SealerDeps extends Omit<SealDeps, 'signed'> {
  readonly databaseUrl: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Pick<
    Metrics,
    'auditSealed' | 'auditSealedAt' | 'auditRolledBack' | 'auditRewritten' | 'backgroundFailures'
  >;
}

/** A pass costs much the same whatever it finds. Clients are promised that an event is sealed within two seconds. */
const EVERY_MS = SECOND_MS;
const WAIT_MS = 10_000;
const LAST_PASS_MS = 2000;
/**
 * Lock timeout of a pass that nobody waits for. If somebody else holds a row that it writes, it releases the sealer's
 * lock after this time.
 */
const LOCKS_MS = 5000;
/** A chunk takes a fraction of a second. A sealer that hangs in a statement is cut off, which releases its lock. */
const STATEMENT_TIMEOUT_MS = 15_000;

const notWaiting = () => 0;

/** The state that this process keeps between passes, so that it notices if the log has become shorter. */
interface Memory {
  known?: KnownCheckpoint | undefined;
  keyKept: boolean;
  /** Set once an event turned up that has a leaf already: the transaction numbers are those of another cluster. */
  careful: boolean;
  readonly signed: Map<string, string>;
}

async function runPass(
  deps: SealerDeps,
  client: PoolClient,
  memory: Memory,
  waitMs: number,
): Promise<Pass & { lost?: KnownCheckpoint | undefined }> {
  // Set before anything is locked: another session may hold other locks than the sealer's.
  await client.query(`BEGIN; SET LOCAL lock_timeout = ${Math.ceil(waitMs || LOCKS_MS)}`);
  const { keyId, publicPem } = deps.keys.evidence;
  if (!memory.keyKept) await keepEvidenceKey(client, keyId, publicPem);
  const { known } = memory;
  const lost = known && !(await hasCheckpoint(client, known)) ? known : undefined;
  const pass = await sealNext({ ...deps, signed: memory.signed }, client, {
    waitMs,
    careful: memory.careful,
  });
  await client.query('COMMIT');
  memory.keyKept = true;
  if (pass.checkpoint) memory.known = pass.checkpoint;
  else if (lost) memory.known = undefined;
  return { ...pass, lost };
}

/**
 * Reports what a pass found wrong, by log, metric and audit event. It repairs nothing: people who hold the earlier
 * checkpoints can prove the difference.
 */
async function report(
  deps: SealerDeps,
  database: Database,
  { lost, moved, sealed, rewritten }: Awaited<ReturnType<typeof runPass>>,
): Promise<void> {
  const record = (event: AuditEvent) =>
    database.db.transaction((tx) => recordAudit(tx, systemContext(deps.random.id()), event));
  const about = { tenantId: null, outcome: 'failure' as const };
  if (lost) {
    deps.metrics.auditRolledBack.inc();
    deps.logger.error(
      { checkpoint: lost.id },
      'the audit log lacks a checkpoint that was signed: an older backup was restored, or a failover lost it. Sign-outs and forced logouts of that time may have been undone: see `admin help sessions end`',
    );
    const known = { checkpoint: lost.id, note: lost.note };
    const details = { known, by: 'sealer' as const };
    await record({ action: 'AUDIT_LOG_ROLLED_BACK', ...about, details });
  }
  for (const { logId, size } of rewritten) {
    deps.metrics.auditRewritten.inc();
    deps.logger.error(
      { logId, size },
      'a log does not match its signed checkpoint: it was rewritten, or EVIDENCE_RETIRED_KEYS lacks the key that signed it',
    );
    await record({ action: 'AUDIT_LOG_REWRITTEN', ...about, details: { logId, size } });
  }
  if (moved) {
    deps.logger.warn(
      { sealed },
      'the database is a copy from another cluster: its log continues here',
    );
    await record({ action: 'AUDIT_LOG_MOVED', ...about, outcome: 'success', details: { sealed } });
  }
}

/** Runs one pass after the other: a second caller waits for the pass that begins after its call. */
function createPasses(deps: SealerDeps, database: Database) {
  const memory: Memory = { keyKept: false, careful: false, signed: new Map() };
  let last: Promise<unknown> = Promise.resolve();

  async function once(waitMs: number): Promise<Pass> {
    const client = await database.pool.connect();
    let pass: Awaited<ReturnType<typeof runPass>>;
    try {
      pass = await runPass(deps, client, memory, waitMs);
    } catch (error) {
      // The connection may hang in the transaction or be broken: it must not be used again.
      client.release(true);
      if (memory.careful || violatedConstraint(error) !== 'audit_leaves_event_id_unique')
        throw error;
      memory.careful = true;
      return once(waitMs);
    }
    client.release();
    deps.metrics.auditSealed.inc(pass.sealed);
    if (pass.done) deps.metrics.auditSealedAt.set(deps.clock.now().getTime() / SECOND_MS);
    await report(deps, database, pass);
    return pass;
  }

  return {
    /** @param left returns how many milliseconds the caller still waits when its turn comes */
    next(left: () => number): Promise<Pass> {
      const turn = last.then(() => once(left()));
      last = turn.catch(() => undefined);
      return turn;
    },
    settle: () => last,
  };
}

const busy = (cause?: unknown) =>
  new AppError('AUDIT_LOG_BUSY', {
    detail: 'The audit log could not be sealed in time. Try again in a moment.',
    headers: { 'retry-after': '10' },
    cause,
  });

/** @throws AppError AUDIT_LOG_BUSY if the work takes longer; the work itself goes on */
function unlessLate<T>(work: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = startReadTimeout(ms, () => reject(busy()));
    work.then(resolve, reject).finally(stop);
  });
}

async function sealAll(passes: ReturnType<typeof createPasses>, waitMs: number): Promise<void> {
  const until = performance.now() + waitMs;
  const left = () => until - performance.now();
  /** Sends nothing for a caller who has given up. */
  const leftInTurn = () => {
    if (left() <= 0) throw busy();
    return left();
  };
  let fresh = false;
  for (;;) {
    // The pass before it may hang, and so may its own.
    const pass = await unlessLate(passes.next(leftInTurn), leftInTurn()).catch((error: unknown) => {
      // Another sealer or another session held a lock all the time.
      throw databaseFault(error) === 'conflict' ? busy(error) : error;
    });
    fresh ||= pass.fresh;
    if (pass.done && fresh) return;
  }
}

/** Constructs the sealer; it sends nothing before it is started or asked to seal. */
export function createSealer(deps: SealerDeps): Sealer {
  const { databaseUrl: url, logger, metrics } = deps;
  const database = connect({
    url,
    poolSize: 1,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    onIdleError: (err) => logger.warn({ err }, 'the connection of the sealer broke'),
  });
  const passes = createPasses(deps, database);
  /** Whether the last turn succeeded. */
  let works = false;
  const logFailure = (line: object) => logger.error(line, 'audit events cannot be sealed');
  const options = { task: 'seal_audit_log', everyMs: EVERY_MS, metrics, logFailure };
  const turns = createTurns(options, async ({ stopped }) => {
    works = false;
    let pass = await passes.next(notWaiting);
    while (pass.held && !pass.done && !stopped()) pass = await passes.next(notWaiting);
    works = true;
  });

  return {
    start: turns.start,
    sealNow: (waitMs = WAIT_MS) => sealAll(passes, waitMs),
    async close() {
      await turns.stop();
      await passes.settle();
      // Seals what the last requests wrote, if the database is reachable, instead of leaving it to the next process.
      if (works) await sealAll(passes, LAST_PASS_MS).catch(() => undefined);
      await database.close();
    },
  };
}
