import { Client } from 'pg';
import { explainConnectionFault } from '@/server/db/connectionFaults';
import { findRoute } from '@/server/db/databaseRoute';
import { ask } from '../helpers/database/askDatabase';
import { closeLater } from '../helpers/server/closing';
import { operate } from '../helpers/server/operatorCommand';
import { startPgBouncer } from '../helpers/database/pgBouncer';
import { externalEnv } from '../helpers/server/serverProcess';

const direct = process.env['DATABASE_URL'] ?? '';
const WRONG = 'Zq4kWv7m';

type Change = Partial<Record<'username' | 'password' | 'pathname', string>>;

function change(url: string, parts: Change): string {
  return Object.assign(new URL(url), parts).href;
}

/**
 * Returns the sentence for the failure to connect through a pooler; `HOST` replaces the pooler's
 * address.
 */
async function refusalOf(url: string): Promise<string> {
  const error: unknown = await findRoute(url).catch((thrown: unknown) => thrown);
  const sentence = explainConnectionFault(error, url) ?? String(error);
  expect(sentence).not.toContain(WRONG);
  return sentence.replace(new URL(url).host, 'HOST');
}

async function hold(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  closeLater(() => client.end());
  await client.query(statement);
}

describe('what PgBouncer refuses has a sentence that names what to change, and no part of a password', () => {
  const USER = new URL(direct).username;
  const REFUSED = `The pooler at HOST does not know user ${USER}, or refuses its password: check the user and password in DATABASE_URL, and the pooler's list of users (auth_file or auth_query).`;
  const UNNAMED = `The pooler at HOST asks for the password of user ${USER}, but DATABASE_URL contains none.`;

  it.each(['md5', 'plain', 'scram-sha-256'])('a wrong password, or none (%s)', async (type) => {
    const { url } = await startPgBouncer(direct, { auth_type: type });
    expect(await refusalOf(change(url, { password: WRONG }))).toBe(REFUSED);
    const none = await refusalOf(change(url, { password: '' }));
    expect([UNNAMED, UNNAMED.replace('pooler at', 'database server')]).toContain(none);
  });

  it('a user whom it does not know, and a database that Postgres does not have', async () => {
    // For this many seconds PgBouncer stays silent after Postgres refused it.
    const { url } = await startPgBouncer(direct, { server_login_retry: 0 });
    expect(await refusalOf(change(url, { username: 'nobody', password: WRONG }))).toBe(
      "The pooler at HOST does not know user nobody: check the user in DATABASE_URL, and the pooler's list of users (auth_file or auth_query).",
    );
    const nowhere = change(url, { pathname: '/nowhere' });
    const said =
      "There is no database nowhere behind the pooler at HOST: create it, or check the database name in DATABASE_URL and the pooler's list of databases.";
    expect(await refusalOf(nowhere)).toBe(said);
    const { code, stdout, stderr } = await operate(externalEnv(nowhere), ['db', 'check']);
    expect([code, stdout, stderr]).toStrictEqual([
      1,
      '',
      `${said.replace('HOST', new URL(url).host)}\n`,
    ]);
  });

  it('a database that is not in its list', async () => {
    const { url } = await startPgBouncer(direct, {}, 'ledger');
    expect(await refusalOf(change(url, { pathname: '/nowhere' }))).toMatch(
      /^There is no database nowhere behind the pooler at HOST: /,
    );
  });

  it("the pooler's own login at Postgres", async () => {
    await ask(direct, `CREATE ROLE pooler_login LOGIN PASSWORD 'right'`);
    closeLater(() => ask(direct, 'DROP ROLE pooler_login'));
    const own = change(direct, { username: 'pooler_login', password: WRONG });
    const { url } = await startPgBouncer(own, {});
    expect(await refusalOf(url)).toBe(
      "Postgres behind the pooler at HOST refuses the pooler's own login as user pooler_login: check the user and password in the pooler's settings (its list of databases, auth_file or auth_query).",
    );
  });

  it('no room for another client, and no session in time', async () => {
    const full = await startPgBouncer(direct, { max_client_conn: 1 });
    expect(await refusalOf(full.url)).toBe(
      `The pooler at HOST has no connection left for user ${USER}: raise its max_client_conn, or lower DATABASE_POOL_SIZE.`,
    );
    const busy = await startPgBouncer(direct, {
      pool_mode: 'transaction',
      default_pool_size: 1,
      query_wait_timeout: 1,
    });
    await hold(busy.url, 'BEGIN');
    expect(await refusalOf(busy.url)).toBe(
      'The pooler at HOST got no session of Postgres in time (query_wait_timeout): check its log. Start Postgres behind it, or raise its default_pool_size.',
    );
  });

  it('a client without TLS if it asks for TLS, as newer releases put it', () => {
    const url = 'postgres://ann:hidden@db.example/ledger';
    const explain = (message: string) =>
      explainConnectionFault(Object.assign(new Error(message), { code: '08P01' }), url);
    expect(explain('SSL required')).toMatch(/admits nobody without TLS: add sslmode=verify-full/);
    expect(
      explain(
        'server login has been failing, cached error: database "ledger" does not exist (server_login_retry)',
      ),
    ).toMatch(/^There is no database ledger behind the pooler at db\.example:5432: /);
    expect(explain('invalid frontend message')).toBeUndefined();
  });
});
