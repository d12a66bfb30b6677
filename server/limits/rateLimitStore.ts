import { sql } from 'drizzle-orm';
import type { Pool } from 'pg';
import { runPrepared } from '../db';
import type { Db, PreparedStatement } from '../db';
import type { rateLimitScope } from '../db/schema';

export type RateLimitScope = (typeof rateLimitScope.enumValues)[number];

/** A request for tokens of one bucket. */
export interface AskedTokens {
  scope: RateLimitScope;
  /** A keyed hash. */
  subject: string;
  /** The tokens that are needed now, at least 1. */
  need: number;
  quota: number;
  windowSec: number;
}

/** The tokens that a bucket gave. */
export interface GrantedTokens {
  scope: RateLimitScope;
  subject: string;
  granted: number;
  /** The tokens of this window that no node has taken, more than may be taken now. */
  tokens: number;
  /** The tokens that were taken in the window before. */
  previous: number;
  /** Milliseconds until the window ends, by the database's clock. */
  endsInMs: number;
}

/**
 * A node gets a twentieth of what is free, at least what it needs, and never more than there is. So
 * it seldom asks while much is left, and takes single tokens near the limit.
 *
 * The free tokens are those of a sliding window, as an estimate: of the tokens that were taken in
 * the window before, the share counts that the sliding window still covers. `freeTokens` computes
 * the same. Time is that of the statement, because the clock may not move between the columns of
 * one row.
 */
const TAKE_TOKENS: PreparedStatement = {
  name: 'take_rate_limit_tokens',
  text: `INSERT INTO rate_limits AS r (scope, subject, tokens, asked, granted, refills_at)
    SELECT a.scope, a.subject, a.quota - first.granted, a.need, first.granted,
      statement_timestamp() + a.window_sec * interval '1 second'
    FROM unnest($1::rate_limit_scope[], $2::text[], $3::int[], $4::int[], $5::int[])
      AS a (scope, subject, need, quota, window_sec),
    LATERAL (SELECT least(a.quota, greatest(a.need, a.quota / 20)) AS granted) AS first
    ORDER BY a.scope, a.subject
    ON CONFLICT (scope, subject) DO UPDATE SET (tokens, previous, asked, granted, refills_at) = (
      SELECT w.tokens - g.granted, w.previous, excluded.asked, g.granted, w.ends_at
      FROM (SELECT excluded.tokens + excluded.granted AS quota,
        excluded.refills_at - statement_timestamp() AS width) AS p,
      LATERAL (SELECT least(r.tokens, p.quota) AS tokens) AS old,
      LATERAL (
        SELECT old.tokens, r.previous, r.refills_at AS ends_at
          WHERE r.refills_at > statement_timestamp()
        UNION ALL SELECT p.quota, p.quota - old.tokens, r.refills_at + p.width
          WHERE r.refills_at <= statement_timestamp() AND r.refills_at + p.width > statement_timestamp()
        UNION ALL SELECT p.quota, 0, excluded.refills_at
          WHERE r.refills_at + p.width <= statement_timestamp()) AS w,
      LATERAL (SELECT greatest(0, w.tokens - floor(w.previous * extract(epoch FROM
        w.ends_at - statement_timestamp()) / extract(epoch FROM p.width))::int) AS tokens) AS free,
      LATERAL (SELECT least(free.tokens, greatest(excluded.asked, free.tokens / 20)) AS granted) AS g)
    RETURNING r.scope, r.subject, r.granted, r.tokens, r.previous,
      (extract(epoch FROM r.refills_at - statement_timestamp()) * 1000)::float8 AS "endsInMs"`,
};

/** Returns how many tokens of a bucket may be taken now. */
export function freeTokens(
  { tokens, previous, endsInMs }: Pick<GrantedTokens, 'tokens' | 'previous' | 'endsInMs'>,
  windowMs: number,
): number {
  return Math.max(0, tokens - Math.floor((previous * endsInMs) / windowMs));
}

/**
 * Takes tokens from many buckets, each at most once, in one statement. It visits the buckets in
 * their order, so that two nodes cannot deadlock.
 */
export async function takeTokens(
  pool: Pool,
  asked: readonly AskedTokens[],
): Promise<GrantedTokens[]> {
  const column = <Name extends keyof AskedTokens>(name: Name) => asked.map((one) => one[name]);
  return runPrepared<GrantedTokens>(pool, TAKE_TOKENS, [
    column('scope'),
    column('subject'),
    column('need'),
    column('quota'),
    column('windowSec'),
  ]);
}

const PURGED_AT_ONCE = 5000;

/**
 * Deletes buckets that have not been used for an hour after their window, at most 5,000 of them.
 * @returns how many it deleted
 */
export async function purgeRateLimits(db: Db): Promise<number> {
  const { rowCount } = await db.execute(sql`DELETE FROM rate_limits WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM rate_limits WHERE refills_at < now() - interval '1 hour'
    ORDER BY refills_at LIMIT ${PURGED_AT_ONCE} FOR UPDATE SKIP LOCKED))`);
  return rowCount ?? 0;
}
