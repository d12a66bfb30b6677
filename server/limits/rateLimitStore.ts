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
  /** The tokens that are left in the bucket, for any node. */
  tokens: number;
  /** Milliseconds until the bucket is refilled, by the database's clock. */
  refillsInMs: number;
}

/**
 * A node gets a twentieth of what is left, at least what it needs, and never more than there is. So
 * it seldom asks while much is left, and takes single tokens near the limit. Time is that of the
 * statement, because the clock may not move between the columns of one row.
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
    ON CONFLICT (scope, subject) DO UPDATE SET (tokens, asked, granted, refills_at) = (
      SELECT b.tokens - g.granted, excluded.asked, g.granted,
        CASE WHEN b.refilled THEN excluded.refills_at ELSE r.refills_at END
      FROM (SELECT r.refills_at <= statement_timestamp() AS refilled) AS d,
      LATERAL (SELECT d.refilled, CASE WHEN d.refilled THEN excluded.tokens + excluded.granted
        ELSE least(r.tokens, excluded.tokens + excluded.granted) END AS tokens) AS b,
      LATERAL (SELECT least(b.tokens, greatest(excluded.asked, b.tokens / 20)) AS granted) AS g)
    RETURNING r.scope, r.subject, r.granted, r.tokens,
      (extract(epoch FROM r.refills_at - statement_timestamp()) * 1000)::float8 AS "refillsInMs"`,
};

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
 * Deletes buckets that have been full for an hour, at most 5,000 of them.
 * @returns how many it deleted
 */
export async function purgeRateLimits(db: Db): Promise<number> {
  const { rowCount } = await db.execute(sql`DELETE FROM rate_limits WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM rate_limits WHERE refills_at < now() - interval '1 hour'
    ORDER BY refills_at LIMIT ${PURGED_AT_ONCE} FOR UPDATE SKIP LOCKED))`);
  return rowCount ?? 0;
}
