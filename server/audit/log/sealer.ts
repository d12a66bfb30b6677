import { randomUUID } from 'node:crypto';
import type { PoolClient } from 'pg';
import type { RequestContext } from '../../context';
import { connect } from '../../db';
import type { Database } from '../../db';
import { afterHearingNothing } from '../../db/heardTime';
import { databaseFault, violatedConstraint } from '../../db/pgErrors';
import { AppError } from '../../errors';
import type { Logger } from '../../logger';
import type { Metrics } from '../../metrics';
import { recordAudit } from '../recordAudit';
import type { AuditEvent } from '../recordAudit';
import { sealNext } from './seal';
import type { Pass, SealDeps } from './seal';
import { hasCheckpoint, keepEvidenceKey } from './sealerStore';
import type { KnownCheckpoint } from './sealerStore';

/** Puts audit events into their trees, beside the requests that write them. */
export interface Sealer {
  /** Looks every second for new events, until it is closed. */
  start(): void;
  /**
   * Resolves when everything that was committed before the call is under a checkpoint.
   * @param waitMs how long that may take; ten seconds unless given
   * @throws AppError AUDIT_LOG_BUSY where it takes longer; whatever the database throws
   */
  sealNow(waitMs?: number): Promise<void>;
  close(): Promise<void>;
}

export interface SealerDeps extends Omit<SealDeps, 'signed'> {
  readonly databaseUrl: string;
  readonly logger: Logger;
  readonly metrics: Pick<
    Metrics,
    'auditSealed' | 'auditSealedAt' | 'auditRolledBack' | 'auditRewritten' | 'backgroundFailures'
  >;
}

/** Each pass costs what it costs whatever it finds; two seconds are promised. */
const EVERY_MS = 1000;
const WAIT_MS = 10_000;
const LAST_PASS_MS = 2000;
/** A pass that nobody waits for lets go of the sealer's lock if somebody else holds a row that it writes. */
const LOCKS_MS = 5000;
/** A chunk takes a fraction of a second; a sealer that hangs in a statement is cut off, and lets go of the lock. */
const STATEMENT_TIMEOUT_MS = 15_000;

const notWaiting = () => 0;

const newContext = (): RequestContext => ({
  correlationId: randomUUID(),
  actor: 'system',
  tenantId: null,
  sessionId: null,
  ip: null,
  country: null,
  userAgent: null,
});

/** What this process remembers of the log between passes, so that a log that became shorter is noticed. */
interface Memory {
  known?: KnownCheckpoint | undefined;
  keyKept: boolean;
  /** An event was met that had its leaf: numbers of transactions from another cluster. */
  careful: boolean;
  readonly signed: Map<string, string>;
}

async function runPass(
  deps: SealerDeps,
  client: PoolClient,
  memory: Memory,
  waitMs: number,
): Promise<Pass & { lost?: KnownCheckpoint | undefined }> {
  // Set before anything is locked: the sealer's lock is not the only one that somebody may hold.
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

/** Told loudly, written down, and not made good: what was signed before stands in the hands of those who have it. */
async function report(
  deps: SealerDeps,
  database: Database,
  { lost, moved, sealed, rewritten }: Awaited<ReturnType<typeof runPass>>,
): Promise<void> {
  const record = (event: AuditEvent) =>
    database.db.transaction((tx) => recordAudit(tx, newContext(), event));
  const about = { tenantId: null, outcome: 'failure' as const };
  if (lost) {
    deps.metrics.auditRolledBack.inc();
    deps.logger.error(
      { checkpoint: lost.id },
      'the audit log lacks a checkpoint that was signed: an older backup was restored, or a failover lost it. Sign-outs and forced logouts of that time may be undone: see `admin help sessions end`',
    );
    const known = { checkpoint: lost.id, note: lost.note };
    const details = { known, by: 'sealer' as const };
    await record({ action: 'AUDIT_LOG_ROLLED_BACK', ...about, details });
  }
  for (const { logId, size } of rewritten) {
    deps.metrics.auditRewritten.inc();
    deps.logger.error(
      { logId, size },
      'a log is not what was signed: it was rewritten, or EVIDENCE_RETIRED_KEYS lacks the key that signed it',
    );
    await record({ action: 'AUDIT_LOG_REWRITTEN', ...about, details: { logId, size } });
  }
  if (moved) {
    deps.logger.warn({ sealed }, 'the database is a copy in another cluster: its log goes on here');
    await record({ action: 'AUDIT_LOG_MOVED', ...about, outcome: 'success', details: { sealed } });
  }
}

/** One pass after the other: a second caller waits for the one that begins after its call. */
function createPasses(deps: SealerDeps, database: Database) {
  const memory: Memory = { keyKept: false, careful: false, signed: new Map() };
  let last: Promise<unknown> = Promise.resolve();

  async function once(waitMs: number): Promise<Pass> {
    const client = await database.pool.connect();
    let pass: Awaited<ReturnType<typeof runPass>>;
    try {
      pass = await runPass(deps, client, memory, waitMs);
    } catch (error) {
      // It may hang in the transaction, or be gone: nobody is to get it again.
      client.release(true);
      if (memory.careful || violatedConstraint(error) !== 'audit_leaves_event_id_unique')
        throw error;
      memory.careful = true;
      return once(waitMs);
    }
    client.release();
    deps.metrics.auditSealed.inc(pass.sealed);
    if (pass.done) deps.metrics.auditSealedAt.set(Date.now() / 1000);
    await report(deps, database, pass);
    return pass;
  }

  return {
    /** @param left how many milliseconds the caller still waits when its turn comes */
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

/** @throws AppError AUDIT_LOG_BUSY if it takes longer; the work itself goes on */
function unlessLate<T>(work: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = afterHearingNothing(ms, () => reject(busy()));
    work.then(resolve, reject).finally(stop);
  });
}

async function sealAll(passes: ReturnType<typeof createPasses>, waitMs: number): Promise<void> {
  const until = Date.now() + waitMs;
  const left = () => until - Date.now();
  /** Of a caller who has given up, nothing is sent. */
  const leftInTurn = () => {
    if (left() <= 0) throw busy();
    return left();
  };
  let fresh = false;
  for (;;) {
    // A pass before it may hang, and its own too.
    const pass = await unlessLate(passes.next(leftInTurn), leftInTurn()).catch((error: unknown) => {
      // Another sealer, or anybody else, kept a lock all the time.
      throw databaseFault(error) === 'conflict' ? busy(error) : error;
    });
    fresh ||= pass.fresh;
    if (pass.done && fresh) return;
  }
}

/** Constructs the sealer; nothing is sent before it is started or asked. */
export function createSealer(deps: SealerDeps): Sealer {
  const { databaseUrl: url, logger, metrics } = deps;
  const database = connect({
    url,
    poolSize: 1,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    onIdleError: (err) => logger.warn({ err }, 'the connection of the sealer broke'),
  });
  const passes = createPasses(deps, database);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let started = false;
  let closed = false;
  let failing = false;

  async function work(): Promise<void> {
    try {
      let pass = await passes.next(notWaiting);
      while (pass.held && !pass.done && !closed) pass = await passes.next(notWaiting);
      failing = false;
    } catch (err) {
      metrics.backgroundFailures.inc({ task: 'seal_audit_log' });
      // Said once, not every second.
      if (!failing)
        logger.error({ err, fault: databaseFault(err) }, 'audit events cannot be sealed');
      failing = true;
    }
    if (!closed) timer = setTimeout(() => void work(), EVERY_MS).unref();
  }

  return {
    start() {
      started = true;
      void work();
    },
    sealNow: (waitMs = WAIT_MS) => sealAll(passes, waitMs),
    async close() {
      closed = true;
      clearTimeout(timer);
      await passes.settle();
      // What the last requests wrote is not left for whoever starts next, where the database is there.
      if (started && !failing) await sealAll(passes, LAST_PASS_MS).catch(() => undefined);
      await database.close();
    },
  };
}
