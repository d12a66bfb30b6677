import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { explainListenFault } from '@/server/http/listenFault';
import { pollUntil } from '../helpers/time/pollUntil';
import { REPOSITORY, externalEnv, killServers, startServer } from '../helpers/server/serverProcess';

afterEach(killServers);

const env = (host: string) => ({ ...externalEnv(), HOST: host, LOG_LEVEL: 'silent' });

it('ends with a sentence if HOST is no address of this machine', async () => {
  // RFC 5737: an address for documentation, which no machine has.
  const refused = startServer(env('192.0.2.1'));
  expect(await refused.exited).toBe(1);
  expect(refused.stderr()).toBe('HOST 192.0.2.1 is not an address of this machine.\n');
  expect(refused.stdout()).toBe('');
});

it('names a port that needs more rights in a sentence', () => {
  // The account that runs the tests may have those rights.
  const denied = Object.assign(new Error('listen EACCES'), { code: 'EACCES' });
  expect(explainListenFault(denied, { port: 80, host: '::' }).message).toBe(
    'Port 80 needs more rights than this account has: set PORT to 1024 or more.',
  );
});

it.each(['--help', '--version', 'serve'])('refuses the argument %s and starts nothing', (word) => {
  const server = join(REPOSITORY, 'dist', 'server', 'index.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [server, word], {
    env: { PATH: process.env['PATH'], ...externalEnv(), PORT: '0' },
    encoding: 'utf8',
  });
  expect({ status, stdout }).toStrictEqual({ status: 1, stdout: '' });
  expect(stderr).toMatch(/^The server takes no arguments: [^\n]+\n$/);
});

it('says that it listens on every address if HOST is 0.0.0.0', async () => {
  const server = startServer(env('0.0.0.0'));
  expect(await server.url()).toMatch(/^http:\/\/localhost:\d+$/);
  await pollUntil(
    'it says so',
    () => Promise.resolve(server.stdout()),
    (told) => told.includes('every address of this machine, because HOST is 0.0.0.0.\n'),
  );
});
