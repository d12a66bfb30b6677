import type { Pool } from 'pg';
import type { QueryResultRow } from 'pg';
import { runPrepared } from '.';
import type { PreparedStatement } from '.';
import { scopeToBypass } from './tenantScope';

/** Runs one prepared statement. */
export type RunStatement = <Row extends QueryResultRow>(
  statement: PreparedStatement,
  values: unknown[],
) => Promise<Row[]>;

/**
 * Returns a function that runs statements with a deadline that the database enforces. Each
 * statement runs in a transaction with its own `statement_timeout`. This also works behind a pooler
 * that ignores the startup parameters of a connection.
 * @returns a function that throws the driver's error; see `isStatementTimeout`
 */
export function runWithin(pool: Pool, timeoutMs: number): RunStatement {
  return async (statement, values) => {
    const client = await pool.connect();
    let broken: Error | undefined;
    try {
      const scope = statement.bypass ? `; ${scopeToBypass(statement.bypass)}` : '';
      await client.query(`BEGIN READ ONLY; SET LOCAL statement_timeout = ${timeoutMs}${scope}`);
      const rows = await runPrepared<never>(client, statement, values);
      await client.query('COMMIT');
      return rows;
    } catch (error) {
      await client.query('ROLLBACK').catch((cause: unknown) => {
        broken = cause instanceof Error ? cause : new Error('the connection is broken', { cause });
      });
      throw error;
    } finally {
      client.release(broken);
    }
  };
}
