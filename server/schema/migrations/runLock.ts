import { setTimeout as delay } from 'node:timers/promises';
import { MINUTE_MS, SECOND_MS } from '../../durations';
import type { Connection } from './clients';
import { ANSWER_MS, BEGIN, within } from './clients';
import { MigrationError, MIGRATE_COMMAND } from './migrationError';
import type { DatabaseSession } from './sessions';
import { describeSession, SESSION_COLUMNS } from './sessions';

/** Reported while another process migrates: at once, then every ten seconds. */
export interface LockWait {
  holder: DatabaseSession;
  /** One sentence that names the holder. */
  message: string;
  waitedMs: number;
}

export interface LockOptions {
  /** How many milliseconds to wait for another process that migrates. The default is 60 000. */
  lockWaitMs?: number | undefined;
  onWait?: ((wait: LockWait) => void) | undefined;
}

/** Any 64-bit number is right if every release uses the same one. This is 'gatehous' in ASCII. */
const RUN_KEY = '7449363237540164979';
/**
 * The lock of a working transaction. It shows if a transaction still runs although its process is
 * gone.
 */
const WORK_KEY = '7449363237540164980';

const LOCK_WAIT_MS = MINUTE_MS;
const POLL_MS = 250;
const REPORT_EVERY_MS = 10_000;

const holds = (key: string) => `locktype = 'advisory' AND granted AND objsubid = 1
  AND classid::bigint = ${key} >> 32 AND objid::bigint = ${key} & 4294967295
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;

/** An SQL expression for whether some process migrates this database now. */
export const SOMEBODY_MIGRATES = `EXISTS (SELECT FROM pg_locks WHERE ${holds(RUN_KEY)})`;

async function tryLock(client: Connection, limitMs: number): Promise<boolean> {
  await client.query(within(limitMs, BEGIN));
  // The lock belongs to the transaction, because a pooler may give the session to another client.
  // It is only tried: a statement that waits for a lock holds a snapshot. A CREATE INDEX
  // CONCURRENTLY of the holder would wait for that snapshot, which is a deadlock that Postgres
  // cannot detect.
  const tried = within(ANSWER_MS, `SELECT pg_try_advisory_xact_lock(${RUN_KEY}) AS granted`);
  const { rows } = await client.query<{ granted: boolean }>(tried);
  if (rows[0]?.granted) return true;
  await client.query(within(ANSWER_MS, 'ROLLBACK'));
  return false;
}

async function findHolder(client: Connection): Promise<DatabaseSession | undefined> {
  const { rows } = await client.query<DatabaseSession>(
    within(
      ANSWER_MS,
      `SELECT ${SESSION_COLUMNS} FROM pg_stat_activity a
       WHERE pid IN (SELECT pid FROM pg_locks WHERE ${holds(RUN_KEY)})`,
    ),
  );
  return rows[0];
}

const overdue = (waitedMs: number, holder: DatabaseSession | undefined) =>
  new MigrationError(
    holder
      ? `Another process migrates this database and has not finished within ${Math.round(waitedMs / SECOND_MS)} s: ${describeSession(holder)}. Nothing was changed by this one. Wait for it, or end it with \`SELECT pg_terminate_backend(${holder.pid})\` if it hangs, then run ${MIGRATE_COMMAND}.`
      : `Other processes took turns to migrate this database for ${Math.round(waitedMs / SECOND_MS)} s. Nothing was changed by this one: run ${MIGRATE_COMMAND} again.`,
  );

/**
 * Begins a transaction that holds the migration lock of this database until it ends. The connection
 * must stay idle: without a statement it holds no snapshot, so nothing waits for it.
 * @param client a connection for this purpose only
 * @throws MigrationError naming the holder, if the lock was not free in time
 */
export async function takeRunLock(client: Connection, options: LockOptions): Promise<void> {
  const { lockWaitMs = LOCK_WAIT_MS, onWait } = options;
  const began = performance.now();
  let reportedAt: number | undefined;
  for (;;) {
    const left = Math.max(0, lockWaitMs - (performance.now() - began));
    if (await tryLock(client, left + ANSWER_MS)) return;
    const holder = await findHolder(client);
    const waitedMs = Math.round(performance.now() - began);
    if (waitedMs >= lockWaitMs) throw overdue(waitedMs, holder);
    // There is no holder if the lock was released a moment ago.
    if (holder && (reportedAt === undefined || waitedMs - reportedAt >= REPORT_EVERY_MS)) {
      reportedAt = waitedMs;
      const message = `Waiting for another process that migrates this database: ${describeSession(holder)}.`;
      onWait?.({ holder, message, waitedMs });
    }
    await delay(Math.min(POLL_MS, lockWaitMs - waitedMs));
  }
}

/**
 * Releases the lock. Closing the connection is not enough, because behind a pooler its session goes
 * on.
 */
export async function releaseRunLock(client: Connection): Promise<void> {
  await client.query(within(ANSWER_MS, 'ROLLBACK')).catch(() => undefined);
}

/**
 * Checks that this process still holds the lock. Call it before each commit: if the lock's
 * connection was cut, another process may be migrating.
 * @throws MigrationError if the lock was lost
 */
export async function assertRunLock(client: Connection): Promise<void> {
  const look = `SELECT EXISTS (SELECT FROM pg_locks WHERE pid = pg_backend_pid() AND ${holds(RUN_KEY)}) AS held`;
  const lost = (cause?: unknown) =>
    new MigrationError(
      `The connection that holds the migration lock was lost, so another process may be migrating: what was not committed is undone. Run ${MIGRATE_COMMAND} again.`,
      { cause },
    );
  const { rows } = await client
    .query<{ held: boolean }>(within(ANSWER_MS, look))
    .catch((error: unknown) => {
      throw lost(error);
    });
  if (rows[0]?.held !== true) throw lost();
}

/**
 * Marks the transaction as one that migrates.
 * @throws MigrationError if another one is at work; this process has lost the migration lock then
 */
export async function markAsWorking(client: Connection): Promise<void> {
  const { rows } = await client.query<{ granted: boolean }>(
    `SELECT pg_try_advisory_xact_lock(${WORK_KEY}) AS granted`,
  );
  if (rows[0]?.granted) return;
  throw new MigrationError(
    `Another process is in the middle of a migration of this database: run ${MIGRATE_COMMAND} again when it has finished.`,
  );
}

/**
 * Ends the sessions that a process left behind when it died or lost its lock. Postgres only notices
 * that a client is gone when it sends an answer.
 * @param client a connection of the process that holds the migration lock
 */
export function endLeftoverTransactions(client: Connection): Promise<void> {
  return endProcesses(
    client,
    `SELECT pid FROM pg_locks WHERE pid <> pg_backend_pid() AND ${holds(WORK_KEY)}`,
  );
}

const isDenied = (error: unknown) =>
  error instanceof Error && 'code' in error && error.code === '42501';

const stillThere = (found: { pid: number }[], why: string, cause?: unknown) =>
  new MigrationError(
    `Process ${found.map(({ pid }) => pid).join(', ')} of the database still works at a migration whose program is gone${why} end it with \`SELECT pg_terminate_backend(…)\`, then run ${MIGRATE_COMMAND}.`,
    { cause },
  );

/**
 * Ends the database's processes that a query finds, and waits until it finds none.
 * @throws MigrationError if one is still there after ten seconds, or belongs to a role of which
 *   this role is no member
 */
export async function endProcesses(
  client: Connection,
  pids: string,
  values: unknown[] = [],
): Promise<void> {
  const deadline = performance.now() + ANSWER_MS;
  const end = `SELECT found.pid, pg_terminate_backend(found.pid) FROM (${pids}) AS found`;
  for (;;) {
    const { rows } = await client
      .query<{ pid: number }>(end, values)
      .catch(async (error: unknown) => {
        if (!isDenied(error)) throw error;
        const found = await client.query<{ pid: number }>(pids, values);
        throw stillThere(found.rows, ', and this role may not end it. As one that may,', error);
      });
    if (rows.length === 0) return;
    if (performance.now() > deadline) throw stillThere(rows, ':');
    await delay(50);
  }
}
