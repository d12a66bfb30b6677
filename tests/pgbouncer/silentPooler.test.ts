import { findRoute } from '@/server/db/databaseRoute';
import { startPgBouncer } from '../helpers/pgBouncer';

it('a pooler whose own database is out of reach fails the look with an error, and ends no process by one that nobody hears', async () => {
  const direct = new URL(process.env['DATABASE_URL'] ?? '');
  // Nothing listens on this port: PgBouncer lets clients wait.
  direct.port = '1';
  const { url } = await startPgBouncer(direct.href, { pool_mode: 'transaction' });
  await expect(findRoute(url)).rejects.toThrow('Connection terminated: the database is silent');
});
