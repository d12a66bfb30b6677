import type { Pool } from 'pg';
import { MINUTE_MS } from '../../durations';

/**
 * A row that this process has leased by an expiring claim, by the database's clock. No lock is
 * held, so this works behind a pooler too: the lease of a process that dies expires by itself.
 */
export interface Lease {
  readonly table: 'checkpoint_deliveries' | 'event_deliveries';
  /** The columns that the row has as long as this process holds the lease, `claimed_by` among them. */
  readonly held: Readonly<Record<string, string | number>>;
}

/** Why a delivery failed, and the delay that the receiver asked for, in milliseconds. */
export interface Failure {
  readonly reason: string;
  readonly retryAfterMs: number;
}

/** Longer than reading and sending may take, so only a process that died leaves a lease behind. */
export const CLAIM_MS = 15_000;
/** How long a statement of a deliverer may take. */
export const STATEMENT_TIMEOUT_MS = 4000;

/** The delay before a retry doubles with each failure, within these bounds. */
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = MINUTE_MS;

/**
 * Returns SQL for the moment a number of milliseconds from now, by the database's clock.
 * @param ms the statement's placeholder for the milliseconds
 */
export const inMs = (ms: string): string =>
  `clock_timestamp() + make_interval(secs => (${ms})::float8 / 1000)`;

/** SQL that forgets the failures in a row. */
export const RECOVERED = 'failures = 0, last_error = NULL';

/** SQL that records a success. */
export const DELIVERED = `delivered_at = clock_timestamp(), ${RECOVERED}`;

/** Returns SQL for whether no process holds the lease of a row. @param row its alias */
export const unclaimed = (row: string): string =>
  `(${row}.claimed_by IS NULL OR ${row}.claimed_until < clock_timestamp())`;

/** SQL that releases a lease, so that other processes can have the row at once. */
export const RELEASED = 'claimed_by = NULL, claimed_until = NULL';

/**
 * Returns SQL that records a failure and sets the time of the next try.
 * @param reason the statement's placeholder for the reason
 * @param leastMs the placeholder for the delay that the receiver asked for; it may exceed a minute
 */
export const failed = (reason: string, leastMs: string): string => {
  const doubled = `${FIRST_RETRY_MS}::float8 * 2 ^ least(failures, 20)`;
  const delay = `greatest(${leastMs}::float8, least(${doubled}, ${LAST_RETRY_MS}::float8))`;
  return `failures = failures + 1, last_error = ${reason}, next_try_at = ${inMs(delay)}`;
};

/**
 * Changes a leased row.
 * @param set the SQL of the changes
 * @param values the parameters of `set`
 * @returns false if this process no longer holds the lease, and nothing was changed
 */
export async function changeLeased(
  pool: Pool,
  { table, held }: Lease,
  set: string,
  values: readonly unknown[],
): Promise<boolean> {
  const ours = Object.keys(held).map((column, at) => `${column} = $${values.length + at + 1}`);
  const { rowCount } = await pool.query(`UPDATE ${table} SET ${set} WHERE ${ours.join(' AND ')}`, [
    ...values,
    ...Object.values(held),
  ]);
  return rowCount === 1;
}

/** Releases the lease. */
export async function letGo(pool: Pool, lease: Lease): Promise<void> {
  await changeLeased(pool, lease, RELEASED, []);
}

/** Records a failed delivery and releases the lease; no process retries the row before its time. */
export async function noteFailure(
  pool: Pool,
  lease: Lease,
  { reason, retryAfterMs }: Failure,
): Promise<void> {
  await changeLeased(pool, lease, `${failed('$1', '$2')}, ${RELEASED}`, [reason, retryAfterMs]);
}
