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

/** A row names so many accounts at most: what counts is whether they are few or many. */
const ACCOUNTS_KEPT = 20;

export interface CountedAttempt {
  scope: AttemptScope;
  subject: string;
  /** Of scope `ip`: the account that was tried. */
  account?: string;
}

/** Counts one failure in each scope; the order is the caller's and always the same, so none deadlocks. */
export async function countFailures(
  db: Db,
  keys: readonly CountedAttempt[],
  now: Date,
): Promise<void> {
  const table = failedAttempts;
  const over = sql`${table.windowStartedAt} <= ${windowCut(now).toISOString()}`;
  await db
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
): Promise<void> {
  await db
    .delete(failedAttempts)
    .where(and(inArray(failedAttempts.scope, [...scopes]), eq(failedAttempts.subject, subject)));
}

/** Forgets counters that have been still for 30 days and are far from any limit. */
export async function purgeAttempts(db: Db, now: Date): Promise<void> {
  const old = new Date(now.getTime() - 30 * 86_400_000);
  await db
    .delete(failedAttempts)
    .where(and(lt(failedAttempts.updatedAt, old), lt(failedAttempts.tries, 10)));
}
