// Starts the example: Gatehouse with its own database, two tenants with one person each, and the API
// beside it. Everything is in a folder that is deleted when the example stops.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openApi } from './api.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, '..', '..', 'dist', 'server');
const data = mkdtempSync(join(tmpdir(), 'gatehouse-example-'));
const settings = { ...process.env, GATEHOUSE_DATA_DIR: data, LOG_LEVEL: 'warn' };

/** Runs a command of the operator, and returns the JSON that it prints. */
async function admin(args, input = '') {
  const child = spawn(process.execPath, [join(dist, 'cli', 'admin.js'), ...args], {
    cwd: data,
    env: settings,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(input);
  let said = '';
  child.stdout.on('data', (chunk) => (said += chunk));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`admin ${args.slice(0, 2).join(' ')} failed`);
  return JSON.parse(said);
}

/** Starts Gatehouse and waits for its URL. */
async function startGatehouse(pageOrigin) {
  const child = spawn(process.execPath, [join(dist, 'index.js')], {
    cwd: data,
    env: { ...settings, PORT: process.env.PORT ?? '3000', CORS_ORIGINS: pageOrigin },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /Gatehouse listens on (\S+)/.exec(line)?.[1];
    if (url !== undefined) {
      child.stdout.resume();
      return { child, url };
    }
  }
  throw new Error('Gatehouse did not start');
}

/** Creates a tenant with one person who may do everything with projects. */
async function addTenant(slug, name, email) {
  const password = randomBytes(12).toString('base64url');
  await admin(['tenant', 'create', '--slug', slug, '--name', name]);
  const permissions = 'app:projects.view,app:projects.create,app:projects.delete';
  const { totpSecret } = await admin(
    ['staff', 'create', '--tenant', slug, '--email', email, '--password-stdin', '--totp'].concat(
      '--permissions',
      permissions,
    ),
    password,
  );
  return { tenant: name, email, password, totpSecret };
}

// Listen first: Gatehouse has to know the origin of the page when it starts.
const server = createServer();
server.listen(Number(process.env.EXAMPLE_PORT ?? 3001), '127.0.0.1');
await once(server, 'listening');
const origin = `http://localhost:${server.address().port}`;
const gatehouse = await startGatehouse(origin);
const gatehouseUrl = gatehouse.url.replace('127.0.0.1', 'localhost');

let api;
async function stop() {
  server.close();
  server.closeAllConnections();
  await api?.close();
  gatehouse.child.kill('SIGTERM');
  if (gatehouse.child.exitCode === null) await once(gatehouse.child, 'exit');
  rmSync(data, { recursive: true, force: true });
}
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop().then(() => process.exit(0)));

await admin(['permissions', 'declare', '--file', join(here, 'permissions.json')]);
await admin(['events', 'declare', '--file', join(here, 'events.json')]);
const people = [
  await addTenant('north', 'North', 'ann@north.example'),
  await addTenant('south', 'South', 'bob@south.example'),
];
const { key } = await admin(
  ['service-key', 'create', '--name', 'Projects API', '--scope', 'introspect,events:write'],
);
api = openApi({ gatehouseUrl, serviceKey: key });
server.on('request', api.app);
console.log(JSON.stringify({ page: origin, gatehouse: gatehouseUrl, people }, null, 2));
console.log('Open the page and sign in. To stop, press Ctrl+C.');
