import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@/server/embedded/freePort';
import { closeLater } from '../server/closing';
import { REPOSITORY } from '../server/serverProcess';
import { pollUntil } from '../time/pollUntil';

/** What replaces the words in capitals of an example. */
export interface GatewayParts {
  gatehouse: string;
  upstream: string;
  serviceKey: string;
}

/** Returns the text of an example. */
export const readExample = (name: string) =>
  readFileSync(join(REPOSITORY, 'examples', 'gateways', name), 'utf8');

const fill = (text: string, { gatehouse, upstream, serviceKey }: GatewayParts, listen: string) =>
  text
    .split('\n')
    .filter((line) => !line.trimStart().startsWith('#'))
    .join('\n')
    .replaceAll('LISTEN', listen)
    .replaceAll('GATEHOUSE', new URL(gatehouse).host)
    .replaceAll('UPSTREAM', new URL(upstream).host)
    .replaceAll('SERVICE_KEY', serviceKey);

/** Runs a program until the test file is done, and waits until it accepts connections. */
async function run(command: string, args: string[], folder: string, url: string): Promise<string> {
  const env = { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
  let log = '';
  child.stdout.on('data', (chunk: Buffer) => (log += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const exited = once(child, 'exit');
  closeLater(async () => {
    child.kill('SIGTERM');
    await exited;
    rmSync(folder, { recursive: true });
  });
  await pollUntil(
    `${command} listens`,
    () =>
      fetch(url).then(
        () => true,
        () => false,
      ),
    (listens) => {
      if (child.exitCode !== null) throw new Error(`${command} ended: ${log}`);
      return listens;
    },
  );
  return url;
}

const newFolder = () => {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-gateway-'));
  chmodSync(folder, 0o755);
  return folder;
};

/**
 * Runs nginx with the example's files, and returns its origin.
 * @param change changes the text of the example
 */
export async function startNginx(
  command: string,
  parts: GatewayParts,
  change = (text: string): string => text,
): Promise<string> {
  const folder = newFolder();
  const port = await freePort();
  const server = fill(change(readExample('nginx.conf')), parts, `127.0.0.1:${port}`).replaceAll(
    'GATEWAY_FOLDER',
    folder,
  );
  writeFileSync(join(folder, 'nginx-identity.conf'), readExample('nginx-identity.conf'));
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const temporary = kinds.map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ');
  const file = join(folder, 'nginx.conf');
  writeFileSync(
    file,
    `daemon off; master_process off; pid ${folder}/pid; error_log stderr;
    events {} http { access_log off; ${temporary}\n${server}\n}\n`,
  );
  const args = ['-e', 'stderr', '-p', folder, '-c', file];
  return run(command, args, folder, `http://127.0.0.1:${port}`);
}

/** Runs Caddy with the example's file, and returns its origin. */
export async function startCaddy(command: string, parts: GatewayParts): Promise<string> {
  const folder = newFolder();
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const file = join(folder, 'Caddyfile');
  writeFileSync(file, `{\n\tadmin off\n}\n${fill(readExample('Caddyfile'), parts, origin)}`);
  return run(command, ['run', '--config', file, '--adapter', 'caddyfile'], folder, origin);
}
