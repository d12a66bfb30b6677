import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { loadConfig } from '@/server/config';
import { findDatabaseUrlProblem } from '@/server/config/databaseSettings';
import { explainConnectionFault } from '@/server/db/connectionFaults';
import { ask } from '../helpers/database/askDatabase';
import { operate } from '../helpers/server/operatorCommand';
import {
  REPOSITORY,
  WORKING_FOLDER,
  externalEnv,
  killServers,
  startServer,
} from '../helpers/server/serverProcess';

/** Every character that has a meaning in a URL, a shell or a pattern. */
const PASSWORD = `Zq@4k/Wv#7m?Xp%9j:Lr[Tn]&Yb=+$'"\\Hc é|Gd`;
const ROLE = 'odd_password';

const own = () => new URL(process.env['DATABASE_URL'] ?? '');
const encoded = encodeURIComponent(PASSWORD).replaceAll("'", '%27');

function urlWith(change: { host?: string; user?: string; password?: string; database?: string }) {
  const { hostname, port, pathname } = own();
  const host = change.host ?? `${hostname}:${port}`;
  const login = `${change.user ?? ROLE}:${change.password ?? encoded}`;
  return `postgres://${login}@${host}/${change.database ?? pathname.slice(1)}`;
}

/** Expects that no four consecutive characters of the password appear, plain or encoded. */
function expectNoPart(said: string): void {
  for (const form of [PASSWORD, encoded]) {
    for (let at = 0; at + 4 <= form.length; at += 1) {
      const part = form.slice(at, at + 4);
      expect(said.includes(part) ? part : '').toBe('');
    }
  }
}

const LEVEL = { LOG_LEVEL: 'trace', MIGRATE_ON_BOOT: 'false' };

const WAYS: Record<string, (url: string) => Promise<{ code: number | null; said: string }>> = {
  'npm start': async (url) => {
    const server = startServer({ ...externalEnv(url), ...LEVEL });
    const code = await server.exited;
    return { code, said: server.stdout() + server.stderr() };
  },
  'admin db check': async (url) => {
    const { code, stdout, stderr } = await operate(externalEnv(url), ['db', 'check']);
    return { code, said: stdout + stderr };
  },
  'admin tenant list': async (url) => {
    const { code, stdout, stderr } = await operate(externalEnv(url), ['tenant', 'list']);
    return { code, said: stdout + stderr };
  },
  'verify-log': async (url) => {
    const script = join(REPOSITORY, 'dist', 'server', 'cli', 'verifyLog.js');
    const env = { PATH: process.env['PATH'], ...externalEnv(url) };
    const child = spawn(process.execPath, [script], {
      cwd: WORKING_FOLDER,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, said };
  },
};

/** Returns a port on which nothing listens, because it was free a moment ago. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

beforeAll(async () => {
  const quoted = PASSWORD.replaceAll("'", "''");
  await ask(own().href, `CREATE ROLE ${ROLE} LOGIN PASSWORD '${quoted}'`);
});

afterAll(async () => {
  await killServers();
  await ask(own().href, `DROP ROLE ${ROLE}`);
});

describe.each(Object.keys(WAYS))('%s', (way) => {
  const run = async (url: string) => {
    const { code, said } = await (WAYS[way] ?? (() => Promise.reject(new Error(way))))(url);
    expect(code).toBe(way === 'verify-log' ? 2 : 1);
    expectNoPart(said);
    expect(said.trimEnd()).not.toContain('\n');
    return said.trimEnd();
  };

  it('names the server and user that a wrong password was refused for', async () => {
    const wrong = `${encoded}x`;
    expect(await run(urlWith({ password: wrong }))).toBe(
      `The database server ${own().host} refuses the password of user ${ROLE}: check the user and password in DATABASE_URL.`,
    );
  });

  it('names a database that does not exist', async () => {
    expect(await run(urlWith({ database: 'nowhere' }))).toBe(
      `There is no database nowhere on the server ${own().host}: create it, or check the database name in DATABASE_URL.`,
    );
  });

  it('names a host that does not exist', async () => {
    expect(await run(urlWith({ host: 'no-such-host.invalid:5432' }))).toBe(
      'The database server no-such-host.invalid:5432 cannot be reached: there is no such host, or its name cannot be resolved. Check the host in DATABASE_URL.',
    );
  });

  it('names a port that nothing listens on', async () => {
    const host = `127.0.0.1:${await closedPort()}`;
    expect(await run(urlWith({ host }))).toBe(
      `The database server ${host} cannot be reached: nothing listens on that port. Start Postgres, or check the host and port in DATABASE_URL.`,
    );
  });

  it('says that the server offers no TLS, and nothing of the driver', async () => {
    expect(await run(`${urlWith({})}?sslmode=require`)).toBe(
      `The database server ${own().host} offers no TLS: switch it on there, or remove sslmode from DATABASE_URL.`,
    );
  });

  it('refuses a URL with a password that is not encoded, and repeats nothing of it', async () => {
    expect(await run(urlWith({ password: PASSWORD }))).toMatch(/^DATABASE_URL .* percent-encode /);
    expect(await run(urlWith({ password: '12/Zq@4k' }))).toMatch(
      /^DATABASE_URL has an @ after its host: percent-encode /,
    );
  });
});

it('a password of odd characters works once it is encoded', async () => {
  const url = urlWith({});
  expect(findDatabaseUrlProblem(url)).toBeUndefined();
  expect(await ask(url, 'SELECT current_user::text AS role')).toEqual([{ role: ROLE }]);
});

describe('the URL', () => {
  it.each([
    ['a slash behind digits, which reads as a port', 'postgres://u:12/Zq4k@db.example/x'],
    ['a slash and an @', 'postgres://u:1@2/Zq4k@db.example/x'],
    ['a question mark', 'postgres://u:12?Zq4k@db.example/x'],
    ['a hash', 'postgres://u:12#Zq4k@db.example/x'],
    ['a hash behind letters', 'postgres://u:Zq4k#a@db.example/x'],
    ['a slash behind letters', 'postgres://u:Zq4k/a@db.example/x'],
    ['a space', 'postgres://u:Zq 4k@db.example/x'],
    ['a line break', 'postgres://u:Zq4k\n@db.example/x'],
    ['a percent sign', 'postgres://u:Zq4k%@db.example/x'],
    ['bytes that are no text', 'postgres://u:Zq4k%ff@db.example/x'],
    ['another scheme', 'mysql://u:Zq4k@db.example/x'],
  ])('is refused with %s in the password', (_what, url) => {
    const sentence = findDatabaseUrlProblem(url);
    expect(sentence).toMatch(/^DATABASE_URL .+\.$/);
    expect(sentence).not.toMatch(/Zq|4k|db\.example/);
  });

  it.each([
    ['?sslmode=require', '?sslmode=verify-full'],
    ['?a=b&sslmode=prefer&c=d', '?a=b&sslmode=verify-full&c=d'],
    ['?sslmode=verify-ca', '?sslmode=verify-full'],
    ['?sslmode=no-verify', '?sslmode=no-verify'],
    ['?sslmode=disable', '?sslmode=disable'],
    ['?uselibpqcompat=true&sslmode=require', '?uselibpqcompat=true&sslmode=require'],
    ['', ''],
  ])('with %s is used with %s', (given, used) => {
    const url = 'postgres://u:sslmode=require@db.example/x';
    expect(loadConfig({ ...externalEnv(url + given) }).databaseUrl).toBe(url + used);
  });

  it.each([
    'postgres://u:p%40ss%2Fword@db.example:6432/x?sslmode=require',
    'postgresql://db.example/x',
    'postgres://u:p@[::1]:5432/x',
    'postgres://u:p@ss@db.example/x',
    'postgres://u:p@/x?host=/run/postgresql',
    'postgres://u:p@%2Frun%2Fpostgresql/x',
  ])('%s is let through', (url) => {
    expect(findDatabaseUrlProblem(url)).toBeUndefined();
  });
});

describe('what cannot be made to happen here', () => {
  const url = 'postgres://ann:hidden@db.example/ledger';
  const explain = (code: string, message = '') =>
    explainConnectionFault(
      new Error('Failed query', { cause: Object.assign(new Error(message), { code }) }),
      url,
    );

  it.each([
    [
      '28000',
      'no pg_hba.conf entry for host "10.0.0.1", user "ann", database "ledger", no encryption',
      /without TLS.*sslmode=verify-full/,
    ],
    [
      '28000',
      'no pg_hba.conf entry for host "10.0.0.1", user "ann", database "ledger", SSL off',
      /without TLS/,
    ],
    [
      '28000',
      'no pg_hba.conf entry for host "10.0.0.1", user "ann", database "ledger", SSL encryption',
      /no entry for user ann/,
    ],
    ['28000', 'role "ann" does not exist', /no role ann that may log in/],
    ['53300', 'too many connections', /no connection left/],
    ['57P03', 'the database system is starting up', /starting up or shutting down/],
    ['ETIMEDOUT', '', /does not answer in time/],
    ['', 'timeout expired', /does not answer in time/],
    ['EAI_AGAIN', '', /no such host/],
    ['EHOSTUNREACH', '', /no route to its network/],
    ['SELF_SIGNED_CERT_IN_CHAIN', '', /certificate.*sslrootcert/],
    [
      '',
      'SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string',
      /refuses the password/,
    ],
  ])('%s %s has a sentence', (code, message, sentence) => {
    expect(explain(code, message)).toMatch(sentence);
    expect(explain(code, message)).toMatch(/^The .*db\.example:5432.*\.$/);
    expect(explain(code, message)).not.toContain('hidden');
  });

  it.each([['42P01'], ['57014'], ['ENOENT']])('%s is no fault of the connection', (code) => {
    expect(explain(code)).toBeUndefined();
  });
});
