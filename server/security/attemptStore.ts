import { and, eq, inArray, lt, sql } from 'drizzle-orm';
import type { Db } from '../db';
import { failedAttempts } from '../db/schema';
import type { attemptScope } from '../db/schema';
import { FAILURE_WINDOW_MS } from './attempts';

export type AttemptScope = (typeof attemptScope.enumValues)[number];

export interface AttemptLimits {
  /** Failures in the window from which tries are refused. */
  failures: number;
  /** Tries since the last success from which tries are refused. */
  tries: number;
}

const windowCut = (now: Date) => new Date(now.getTime() - FAILURE_WINDOW_MS);

/**
 * Takes a try before it is evaluated, in one statement: however many arrive at once, on however many
 * nodes, no more than `limits.tries` are ever evaluated without a success in between.
 * @returns the failures in the window, or undefined where the try is refused
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
 * When a try that was refused would be taken.
 * @returns null if no time helps: the tries since the last success are used up
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

/** A row names so many accounts at most: what counts is whether they are few or many. */
const ACCOUNTS_KEPT = 20;

export interface CountedAttempt {
  scope: AttemptScope;
  subject: string;
  /** Of scope `ip`: the account that was tried. */
  account?: string;
}

/** What one counter says after a failure was counted. */
export interface CountedFailure {
  scope: AttemptScope;
  failures: number;
  /** Different accounts that failed, as far as they are kept. */
  accounts: number;
}

/**
 * Counts one failure in each scope; the order is the caller's and always the same, so none deadlocks.
 * @returns what the counters say now
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
 * Says yes to one caller in each window, however many ask at once on however many nodes: what happens thousands of times is
 * recorded once.
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
  /** Different accounts that failed, as far as they are kept. */
  accounts: number;
  /** From when on failures count anew. */
  windowEndsAt: Date;
}

/** @returns the counts by scope; failures outside the window count as none */
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

/** The proof was right: what was taken since the last one no longer counts towards the hard limit. */
export async function resetTries(db: Db, scope: AttemptScope, subject: string): Promise<void> {
  await db
    .update(failedAttempts)
    .set({ tries: 0 })
    .where(and(eq(failedAttempts.scope, scope), eq(failedAttempts.subject, subject)));
}

/** The sign-in is complete: the slate is clean. */
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

/** Forgets counters that have been still for 30 days and are far from any limit. */
export async function purgeAttempts(db: Db, now: Date): Promise<void> {
  const old = new Date(now.getTime() - 30 * 86_400_000);
  await db
    .delete(failedAttempts)
    .where(and(lt(failedAttempts.updatedAt, old), lt(failedAttempts.tries, 10)));
}
