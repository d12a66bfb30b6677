/** @jest-environment ./tests/helpers/testRun/workerEnvironment.ts */
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  rmdirSync,
  statSync,
} from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import {
  EmbeddedPostgresError,
  findRunningEmbeddedPostgres,
  startEmbeddedPostgres,
} from '@/server/embedded/embeddedPostgres';
import { freePort } from '@/server/embedded/freePort';
import type * as FreePort from '@/server/embedded/freePort';
import {
  ask,
  expectAnswer,
  isRunning,
  othersCanReadUs,
  serverPid,
  useDataFolder,
} from './embeddedHarness';
import { listProcesses } from '@/tests/helpers/server/processTable';

jest.mock('@/server/embedded/freePort', () => {
  const real = jest.requireActual<typeof FreePort>('@/server/embedded/freePort');
  return { freePort: jest.fn(real.freePort) };
});

const isRoot = process.getuid?.() === 0;
/** Only root can act as another account, so these guarantees apply only to root. */
const where = (applies: boolean) => (title: string, test: () => Promise<void>) => {
  if (applies) it(title, test);
};
const asRoot = where(isRoot);
const asRootForOthers = where(isRoot && othersCanReadUs());

const { place, start, stopAll, runner, startedRunner } = useDataFolder();

/**
 * Returns an account of this system that is neither root nor the one under which root runs the
 * server.
 */
function namedAccount(): { uid: number; gid: number } {
  const account = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => ({ uid: Number(line.split(':')[2]), gid: Number(line.split(':')[3]) }))
    .find(({ uid }) => uid > 0 && uid !== 65534);
  if (account === undefined) throw new Error('no ordinary account to test with');
  return account;
}

function modeOf(name: string): string {
  return (statSync(path.join(place.dataDir, name)).mode & 0o777).toString(8);
}

describe('a started embedded database', () => {
  it('keeps its data, its password and its closed file modes over a restart', async () => {
    const first = await start();
    await ask(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.stop();
    const second = await start();
    expect(await ask(second.url, 'SELECT answer FROM kept')).toStrictEqual([{ answer: 42 }]);
    expect(new URL(second.url).password).toBe(new URL(first.url).password);
    expect(modeOf('.')).toBe(isRoot ? '711' : '700');
    expect(modeOf('password')).toBe('600');
    expect(modeOf('cluster')).toBe('700');
  });

  it('listens on 127.0.0.1 alone, sorts by code point in UTF-8 and refuses a wrong password', async () => {
    const { url, port } = await start();
    expect(
      await ask(
        url,
        `SELECT current_setting('listen_addresses') AS addresses,
                current_setting('unix_socket_directories') AS sockets,
                pg_encoding_to_char(encoding) AS encoding, datlocprovider, datlocale
         FROM pg_database WHERE datname = current_database()`,
      ),
    ).toStrictEqual([
      {
        addresses: '127.0.0.1',
        sockets: '',
        encoding: 'UTF8',
        datlocprovider: 'b',
        datlocale: 'C.UTF-8',
      },
    ]);
    const wrong = `postgres://gatehouse:wrong@127.0.0.1:${port}/gatehouse`;
    await expect(ask(wrong, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
  });

  it('runs under an account that is not root, out of reach of Ctrl-C', async () => {
    await start();
    const server = listProcesses().find(({ pid }) => pid === serverPid(place.dataDir));
    const ours = listProcesses().find(({ pid }) => pid === process.pid);
    const owner = statSync(path.join(place.dataDir, 'cluster')).uid;
    expect(server?.uid).toBe(isRoot ? owner : process.getuid?.());
    expect(owner).not.toBe(0);
    expect(ours?.group).toBeGreaterThan(0);
    expect(server?.group).not.toBe(ours?.group);
  });

  it('tells when the server dies unasked, and can be started again', async () => {
    const database = await start();
    const exit = new Promise<number | null>((resolve) => database.onExit(resolve));
    process.kill(serverPid(place.dataDir), 'SIGKILL');
    expect(await exit).toBeNull();
    await database.stop();
    await expectAnswer(await start());
  });

  it('does not call an asked-for stop a death, and lets the process exit by itself', async () => {
    const died = jest.fn();
    const database = await start();
    database.onExit(died);
    const pid = serverPid(place.dataDir);
    await database.stop();
    expect(isRunning(pid)).toBe(false);
    expect(died).not.toHaveBeenCalled();

    const other = await startedRunner();
    other.say('stop');
    expect(await other.next()).toStrictEqual({ event: 'stopped' });
    expect(await other.exited).toBe(0);
  });

  it('is found by another process while it runs, and only then', async () => {
    expect(await findRunningEmbeddedPostgres(place.dataDir)).toBeNull();
    const other = await startedRunner();
    expect(await findRunningEmbeddedPostgres(place.dataDir)).toBe(other.url);
    process.kill(other.pid, 'SIGKILL');
    await other.exited;
    expect(await findRunningEmbeddedPostgres(place.dataDir)).toBeNull();
  });
});

describe('two starts in one data folder', () => {
  it('refuses the second at once and names the process that has the folder', async () => {
    const first = await startedRunner();
    const refusal = startEmbeddedPostgres({ dataDir: place.dataDir, durable: false });
    await expect(refusal).rejects.toBeInstanceOf(EmbeddedPostgresError);
    await expect(refusal).rejects.toThrow(
      `The data folder ${place.dataDir} is in use by another Gatehouse process (pid ${first.pid})`,
    );
    await expectAnswer(first);
  });

  it('lets exactly one of several simultaneous starts win, also over a dead one’s lock', async () => {
    const dead = await startedRunner();
    process.kill(dead.pid, 'SIGKILL');
    await dead.exited;
    const runners = await Promise.all([runner(), runner(), runner(), runner()]);
    const reports = await Promise.all(runners.map((each) => each.start()));
    expect(reports.map(({ event }) => event).sort()).toStrictEqual([
      'refused',
      'refused',
      'refused',
      'started',
    ]);
    const winner = reports.findIndex(({ event }) => event === 'started');
    for (const { message } of reports.filter(({ event }) => event === 'refused')) {
      expect(message).toContain(`(pid ${runners[winner]?.pid})`);
    }
  });
});

describe('where it cannot just start', () => {
  it('takes another port when somebody takes the chosen one first', async () => {
    const thief = createServer().listen(0, '127.0.0.1');
    await once(thief, 'listening');
    const { port } = thief.address() as AddressInfo;
    jest.mocked(freePort).mockResolvedValueOnce(port);
    try {
      const database = await start();
      expect(database.port).not.toBe(port);
      await expectAnswer(database);
    } finally {
      thief.close();
    }
  });

  it('asks for DATABASE_URL on a platform without a package', async () => {
    const arch = Object.getOwnPropertyDescriptor(process, 'arch') as PropertyDescriptor;
    Object.defineProperty(process, 'arch', { ...arch, value: 'vax' });
    try {
      await expect(start()).rejects.toThrow(
        `There is no embedded Postgres for this platform (${process.platform}-vax): set DATABASE_URL`,
      );
    } finally {
      Object.defineProperty(process, 'arch', arch);
    }
  });

  it('says so when the password of an existing database is gone, and keeps the database', async () => {
    await (await start()).stop();
    rmSync(path.join(place.dataDir, 'password'));
    await expect(start()).rejects.toThrow('The password of the database');
    expect(existsSync(path.join(place.dataDir, 'cluster/PG_VERSION'))).toBe(true);
  });

  asRootForOthers('runs as an ordinary user entirely as that user', async () => {
    const account = namedAccount();
    mkdirSync(place.dataDir);
    chownSync(place.dataDir, account.uid, account.gid);
    const ordinary = await startedRunner(account);
    await expectAnswer(ordinary);
    expect(statSync(path.join(place.dataDir, 'cluster/postmaster.pid')).uid).toBe(account.uid);
    expect(modeOf('.')).toBe('700');
  });

  asRootForOthers('says so to an ordinary user without a name, which initdb refuses', async () => {
    const nameless = { uid: 2_000_000_011, gid: 2_000_000_011 };
    mkdirSync(place.dataDir);
    chownSync(place.dataDir, nameless.uid, nameless.gid);
    const { message } = await (await runner(nameless)).start();
    expect(message).toContain(
      'Postgres cannot make its database for a uid that has no account name',
    );
  });

  asRootForOthers('tells an ordinary user that root left the data folder', async () => {
    await (await start()).stop();
    const account = namedAccount();
    const tryIt = async () => (await (await runner(account)).start()).message;
    const sentence = `The data folder ${place.dataDir} belongs to root`;
    expect(await tryIt()).toContain(sentence);
    chownSync(place.dataDir, account.uid, account.gid);
    expect(await tryIt()).toContain(sentence);
  });

  asRoot(
    'as root keeps the data in a reachable place when the folder lies in a closed one',
    async () => {
      chmodSync(place.folder, 0o700);
      const first = await start();
      const cluster = readFileSync(path.join(place.dataDir, 'cluster-location'), 'utf8').trim();
      try {
        expect(cluster).toMatch(/^\/var\/lib\/gatehouse\/[0-9a-f]{16}\/cluster$/);
        await ask(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
        await first.stop();
        expect(await ask((await start()).url, 'SELECT answer FROM kept')).toStrictEqual([
          { answer: 42 },
        ]);
      } finally {
        await stopAll();
        rmSync(path.dirname(cluster), { recursive: true });
        const shared = path.dirname(path.dirname(cluster));
        if (readdirSync(shared).length === 0) rmdirSync(shared);
      }
      await expect(start()).rejects.toThrow('which is gone: restore that folder');
    },
  );
});
