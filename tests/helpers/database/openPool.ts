import { Pool } from 'pg';
import { closeLater } from '../server/closing';

/**
 * Opens a pool until the test file is done. `pool.end()` resolves before the server has closed the
 * connections, so the drop of the test's database can still terminate one of them. An error
 * without a listener would then end the process of the test.
 */
export function openPool(connectionString: string, max: number): Pool {
  const pool = new Pool({ connectionString, max });
  pool.on('error', () => undefined);
  closeLater(() => pool.end());
  return pool;
}
