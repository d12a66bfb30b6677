import type { Pool } from 'pg';

type Runner = Pick<Pool, 'query'>;

/** The number of people in one statement. */
const BATCH = 500;

export interface CountedPerson {
  userId: string;
  email: string;
  staffIds: string[];
}

/** Returns whether anything is counted. If not, the people need not be read. */
export async function hasAttempts(client: Runner): Promise<boolean> {
  const { rows } = await client.query<{ any: boolean }>(
    'SELECT EXISTS (SELECT FROM failed_attempts) AS any',
  );
  return rows[0]?.any === true;
}

/** Returns the next people whose failures may be counted, by their id. */
export async function listCountedPeople(client: Runner, afterId: string): Promise<CountedPerson[]> {
  const { rows } = await client.query<CountedPerson>(
    `SELECT u.id AS "userId", u.email, ARRAY(SELECT s.id::text FROM tenant_staff s WHERE s.user_id = u.id) AS "staffIds"
     FROM users u WHERE u.id > $1 ORDER BY u.id LIMIT ${BATCH}`,
    [afterId],
  );
  return rows;
}

/**
 * Moves counts to other subjects. It adds the counts of both subjects, so that nobody gains a try.
 */
export async function moveAttempts(
  client: Runner,
  pairs: readonly { former: string; current: string }[],
): Promise<void> {
  await client.query(
    `WITH pairs AS (SELECT * FROM unnest($1::text[], $2::text[]) AS p(former, current)),
     old AS (DELETE FROM failed_attempts a USING pairs p WHERE a.subject = p.former RETURNING a.*, p.current)
     INSERT INTO failed_attempts (scope, subject, failures, window_started_at, tries, updated_at)
     SELECT scope, current, sum(failures)::int, max(window_started_at), sum(tries)::int, max(updated_at)
     FROM old GROUP BY scope, current
     ON CONFLICT (scope, subject) DO UPDATE SET failures = failed_attempts.failures + excluded.failures,
       tries = failed_attempts.tries + excluded.tries,
       window_started_at = greatest(failed_attempts.window_started_at, excluded.window_started_at),
       updated_at = greatest(failed_attempts.updated_at, excluded.updated_at)`,
    [pairs.map(({ former }) => former), pairs.map(({ current }) => current)],
  );
}
