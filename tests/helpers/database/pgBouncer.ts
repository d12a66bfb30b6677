import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { freePort } from '@/server/embedded/freePort';
import { closeLater } from '../server/closing';
import { pollUntil } from '../time/pollUntil';

export type BouncerSettings = Record<string, string | number>;

/** PgBouncer refuses to run as root. */
const NOBODY = 65_534;
const asNobody = () => (process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {});

function spawnBouncer(ini: string, folder: string) {
  const file = join(folder, 'pgbouncer.ini');
  writeFileSync(file, ini);
  // The user that it runs as must be able to read these files.
  chmodSync(folder, 0o755);
  const child = spawn(process.env['PGBOUNCER'] ?? '', [file], {
    stdio: ['ignore', 'ignore', 'pipe'],
    ...asNobody(),
  });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  return { child, log: () => log };
}

/**
 * Runs the machine's PgBouncer with the given file. It ends after the test file.
 * @param ini returns the text of the file, given the port to listen on and a folder for other files
 * @returns the port, and a function that returns PgBouncer's log
 */
export async function runPgBouncer(
  ini: (port: number, folder: string) => string,
): Promise<{ port: number; log: () => string }> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bouncer-'));
  const port = await freePort();
  const { child, log } = spawnBouncer(ini(port, folder), folder);
  const exited = once(child, 'exit');
  closeLater(async () => {
    child.kill('SIGKILL');
    await exited;
    rmSync(folder, { recursive: true });
  });
  await pollUntil(
    'PgBouncer is up',
    () => Promise.resolve(log()),
    (text) => {
      if (child.exitCode !== null) throw new Error(`PgBouncer ended: ${text}`);
      return text.includes('process up');
    },
  );
  return { port, log };
}

/**
 * Puts PgBouncer in front of a database.
 * @param serverUrl the database, with the user and password that PgBouncer connects with
 * @param names the databases that clients may name; `*` for any
 * @returns the given URL, through PgBouncer
 */
export async function startPgBouncer(
  serverUrl: string,
  settings: BouncerSettings,
  names = '*',
): Promise<{ url: string; log: () => string }> {
  const { hostname, port, username, password } = new URL(serverUrl);
  const all: BouncerSettings = { listen_addr: '127.0.0.1', auth_type: 'trust', ...settings };
  const bouncer = await runPgBouncer((listenPort, folder) => {
    const users = join(folder, 'users.txt');
    writeFileSync(users, `"${username}" ""\n`);
    const lines = Object.entries({ listen_port: listenPort, auth_file: users, ...all }).map(
      ([name, value]) => `${name} = ${value}`,
    );
    const target = `${names} = host=${hostname} port=${port} user=${username} password=${decodeURIComponent(password)}`;
    return `[databases]\n${target}\n[pgbouncer]\nunix_socket_dir =\n${lines.join('\n')}\n`;
  });
  const url = new URL(serverUrl);
  url.port = String(bouncer.port);
  return { url: url.toString(), log: bouncer.log };
}
