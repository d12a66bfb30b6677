import { and, eq, inArray, lt, sql } from 'drizzle-orm';
import type { Db } from '../../db';
import { failedAttempts } from '../../db/schema';
import type { attemptScope } from '../../db/schema';
import { DAY_MS } from '../../durations';
import { COUNTERS_KEPT_DAYS, FAILURE_WINDOW_MS } from './attempts';

export type AttemptScope = (typeof attemptScope.enumValues)[number];

export interface AttemptLimits {
  /** Tries are refused from this number of failures in the window. */
  failures: number;
  /** Tries are refused from this number of tries since the last success. */
  tries: number;
}

const windowCut = (now: Date) => new Date(now.getTime() - FAILURE_WINDOW_MS);

/**
 * Reserves a try before it is evaluated, in one statement. However many arrive at once, on however
 * many nodes, at most `limits.tries` are evaluated without a success in between.
 * @returns the failures in the window, or undefined if the try is refused
 */
export async function reserveTry(
  db: Db,
  key: { scope: AttemptScope; subject: string },
  limits: AttemptLimits,
  now: Date,
): Promise<number | undefined> {
  const table = failedAttempts;
  const cut = windowCut(now).toISOString();
  const over = sql`${table.windowStartedAt} <= ${cut}`;
  const [row] = await db
    .insert(table)
    .values({ ...key, tries: 1, failures: 0, windowStartedAt: now, updatedAt: now })
    .onConflictDoUpdate({
      target: [table.scope, table.subject],
      set: {
        tries: sql`${table.tries} + 1`,
        failures: sql`CASE WHEN ${over} THEN 0 ELSE ${table.failures} END`,
        windowStartedAt: sql`CASE WHEN ${over} THEN ${now.toISOString()} ELSE ${table.windowStartedAt} END`,
        updatedAt: now,
      },
      setWhere: sql`${table.tries} < ${limits.tries} AND (${over} OR ${table.failures} < ${limits.failures})`,
    })
    .returning({ failures: table.failures });
  return row?.failures;
}

/**
 * Returns when a refused try would be accepted.
 * @returns null if waiting does not help, because the tries since the last success are used up
 */
export async function whenFree(
  db: Db,
  key: { scope: AttemptScope; subject: string },
  limits: AttemptLimits,
  now: Date,
): Promise<Date | null> {
  const count = (await readAttempts(db, [key], now)).get(key.scope);
  if (!count) return now;
  return count.tries >= limits.tries ? null : count.windowEndsAt;
}

/** The most accounts kept in one row: only few or many matters, not the exact number. */
const ACCOUNTS_KEPT = 20;

export interface CountedAttempt {
  scope: AttemptScope;
  subject: string;
  /** For scope `ip`: the account that was tried. */
  account?: string;
}

/** The state of a counter after a failure was counted. */
export interface CountedFailure {
  scope: AttemptScope;
  failures: number;
  /** The number of different accounts that failed, at most {@link ACCOUNTS_KEPT}. */
  accounts: number;
}

/**
 * Counts one failure in each scope. Every caller passes the scopes in the same order, which avoids
 * deadlocks.
 * @returns the new state of each counter
 */
export async function countFailures(
  db: Db,
  keys: readonly CountedAttempt[],
  now: Date,
): Promise<CountedFailure[]> {
  const table = failedAttempts;
  const over = sql`${table.windowStartedAt} <= ${windowCut(now).toISOString()}`;
  return db
    .insert(table)
    .values(
      keys.map(({ account, ...key }) => ({
        ...key,
        failures: 1,
        accounts: account === undefined ? [] : [account],
        windowStartedAt: now,
        updatedAt: now,
      })),
    )
    .onConflictDoUpdate({
      target: [table.scope, table.subject],
      set: {
        failures: sql`CASE WHEN ${over} THEN 1 ELSE ${table.failures} + 1 END`,
        accounts: sql`CASE WHEN ${over} THEN excluded.accounts
          WHEN ${table.accounts} @> excluded.accounts OR cardinality(${table.accounts}) >= ${ACCOUNTS_KEPT}
          THEN ${table.accounts} ELSE ${table.accounts} || excluded.accounts END`,
        windowStartedAt: sql`CASE WHEN ${over} THEN ${now.toISOString()} ELSE ${table.windowStartedAt} END`,
        updatedAt: now,
      },
    })
    .returning({
      scope: table.scope,
      failures: table.failures,
      accounts: sql<number>`cardinality(${table.accounts})`,
    });
}

/**
 * Returns true to one caller per window, however many ask at once on however many nodes. It lets an
 * event that happens thousands of times be recorded once.
 */
export async function isFirstInWindow(
  db: Db,
  key: { scope: AttemptScope; subject: string },
  now: Date,
): Promise<boolean> {
  const table = failedAttempts;
  const started = { windowStartedAt: now, updatedAt: now };
  const rows = await db
    .insert(table)
    .values({ ...key, ...started })
    .onConflictDoUpdate({
      target: [table.scope, table.subject],
      set: started,
      setWhere: sql`${table.windowStartedAt} <= ${windowCut(now).toISOString()}`,
    })
    .returning({ scope: table.scope });
  return rows.length === 1;
}

export interface AttemptCount {
  failures: number;
  tries: number;
  /** The number of different accounts that failed, at most {@link ACCOUNTS_KEPT}. */
  accounts: number;
  /** When the window ends and failures are counted from zero again. */
  windowEndsAt: Date;
}

/** @returns the counts by scope; failures outside the window are not counted */
export async function readAttempts(
  db: Db,
  keys: readonly { scope: AttemptScope; subject: string }[],
  now: Date,
): Promise<Map<AttemptScope, AttemptCount>> {
  const rows = await db
    .select()
    .from(failedAttempts)
    .where(
      and(
        inArray(
          failedAttempts.scope,
          keys.map((key) => key.scope),
        ),
        inArray(
          failedAttempts.subject,
          keys.map((key) => key.subject),
        ),
      ),
    );
  const cut = windowCut(now);
  return new Map(
    rows.map((row) => [
      row.scope,
      {
        tries: row.tries,
        failures: row.windowStartedAt > cut ? row.failures : 0,
        accounts: row.windowStartedAt > cut ? row.accounts.length : 0,
        windowEndsAt: new Date(row.windowStartedAt.getTime() + FAILURE_WINDOW_MS),
      },
    ]),
  );
}

/** Resets the tries that count towards the hard limit, after a right answer. */
export async function resetTries(db: Db, scope: AttemptScope, subject: string): Promise<void> {
  await db
    .update(failedAttempts)
    .set({ tries: 0 })
    .where(and(eq(failedAttempts.scope, scope), eq(failedAttempts.subject, subject)));
}

/** Deletes the counters of a subject after a complete sign-in. */
export async function clearAttempts(
  db: Db,
  scopes: readonly AttemptScope[],
  subject: string,
): Promise<number> {
  const { rowCount } = await db
    .delete(failedAttempts)
    .where(and(inArray(failedAttempts.scope, [...scopes]), eq(failedAttempts.subject, subject)));
  return rowCount ?? 0;
}

/** Deletes counters that have not changed for `COUNTERS_KEPT_DAYS` and are far from any limit. */
export async function purgeAttempts(db: Db, now: Date): Promise<void> {
  const old = new Date(now.getTime() - COUNTERS_KEPT_DAYS * DAY_MS);
  await db
    .delete(failedAttempts)
    .where(and(lt(failedAttempts.updatedAt, old), lt(failedAttempts.tries, 10)));
}
