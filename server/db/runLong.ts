import { Query } from 'pg';
import type { PoolClient, QueryResultRow } from 'pg';

/**
 * Runs a statement that may take longer than requests may. The caller must have lifted the
 * statement timeout. Other queries of a pool disconnect from a server that stays silent for that
 * long.
 * @throws the driver's error
 */
export function runLong<Row extends QueryResultRow>(
  client: PoolClient,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  return new Promise((resolve, reject) => {
    const rows: Row[] = [];
    const query = new Query<Row>(text, values);
    query.on('row', (row) => rows.push(row));
    query.on('end', () => resolve(rows));
    query.on('error', reject);
    client.query(query);
  });
}
