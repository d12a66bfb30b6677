import { explainConnectionFault } from '@/server/db/connectionFaults';
import { findRoute } from '@/server/db/databaseRoute';
import { startPgBouncer } from '../helpers/database/pgBouncer';

it('a pooler whose own database is out of reach fails the look with an error that has a sentence, and ends no process by one that nobody hears', async () => {
  const direct = new URL(process.env['DATABASE_URL'] ?? '');
  // Nothing listens on this port, and PgBouncer makes clients wait.
  direct.port = '1';
  const { url } = await startPgBouncer(direct.href, { pool_mode: 'transaction' });
  const error: unknown = await findRoute(url).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ message: 'Connection terminated: the database is silent' });
  expect(explainConnectionFault(error, url)).toBe(
    `The database server ${new URL(url).host} cannot be reached: it accepts the connection and then sends nothing. If it is a pooler, check its log: perhaps it cannot reach Postgres, or Postgres refuses it.`,
  );
});
