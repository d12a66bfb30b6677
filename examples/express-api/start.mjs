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
const { PATH, HOME, TMPDIR, PORT = '3000', EXAMPLE_PORT = '3001' } = process.env;
// Nothing else of the environment: a DATABASE_URL there must not lead the example to a real database.
const settings = { PATH, HOME, TMPDIR, GATEHOUSE_DATA_DIR: data, LOG_LEVEL: 'warn' };
const server = createServer();
let gatehouse;
let api;
let stopping;

/** Ends both servers and deletes the folder. */
async function end() {
  server.close();
  server.closeAllConnections();
  await api?.close();
  if (gatehouse && gatehouse.exitCode === null && gatehouse.signalCode === null) {
    gatehouse.kill('SIGTERM');
    await once(gatehouse, 'exit');
  }
  rmSync(data, { recursive: true, force: true });
}

/** Stops the example, once. */
function stop(code) {
  stopping ??= end().then(
    () => process.exit(code),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
  return stopping;
}

/** Runs a command of the operator, and returns the JSON that it prints. */
async function admin(args, input = '') {
  const child = spawn(process.execPath, [join(dist, 'cli', 'admin.js'), ...args], {
    cwd: data,
    env: settings,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  // A command that reads no input may have ended before this is written.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  let said = '';
  child.stdout.on('data', (chunk) => (said += chunk));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`admin ${args.slice(0, 2).join(' ')} failed`);
  return JSON.parse(said);
}

/** Starts Gatehouse and returns its URL. */
async function startGatehouse(pageOrigin) {
  gatehouse = spawn(process.execPath, [join(dist, 'index.js')], {
    cwd: data,
    env: { ...settings, PORT, CORS_ORIGINS: pageOrigin },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  gatehouse.once('exit', () => stop(1));
  for await (const line of createInterface({ input: gatehouse.stdout })) {
    const url = /Gatehouse listens on (\S+)/.exec(line)?.[1];
    if (url !== undefined) {
      gatehouse.stdout.resume();
      // Both pages must be on the same site, or the browser does not send the refresh cookie.
      return url.replace('127.0.0.1', 'localhost');
    }
  }
  throw new Error('Gatehouse did not start');
}

/** Creates a tenant with one person who may do everything with projects. */
async function addTenant(slug, name, email) {
  const password = randomBytes(12).toString('base64url');
  await admin(['tenant', 'create', '--slug', slug, '--name', name]);
  const person = ['--tenant', slug, '--email', email, '--password-stdin', '--totp'];
  const permissions = 'app:projects.view,app:projects.create,app:projects.delete';
  const { totpSecret } = await admin(
    ['staff', 'create', ...person, '--permissions', permissions],
    password,
  );
  return { tenant: name, email, password, totpSecret };
}

async function start() {
  // Listen first: Gatehouse has to know the origin of the page when it starts.
  server.listen(Number(EXAMPLE_PORT), '127.0.0.1');
  await once(server, 'listening');
  const page = `http://localhost:${server.address().port}`;
  const gatehouseUrl = await startGatehouse(page);
  await admin(['permissions', 'declare', '--file', join(here, 'permissions.json')]);
  await admin(['events', 'declare', '--file', join(here, 'events.json')]);
  const people = [
    await addTenant('north', 'North', 'ann@north.example'),
    await addTenant('south', 'South', 'bob@south.example'),
  ];
  const scopes = ['--scope', 'introspect,events:write'];
  const { key } = await admin(['service-key', 'create', '--name', 'Projects API', ...scopes]);
  api = openApi({ gatehouseUrl, serviceKey: key });
  server.on('request', api.app);
  console.log(JSON.stringify({ page, gatehouse: gatehouseUrl, folder: data, people }, null, 2));
  console.log('Open the page and sign in. To stop, press Ctrl+C.');
}

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => stop(0));
try {
  await start();
} catch (error) {
  // A command that fails because the example is stopping is no fault.
  if (stopping === undefined) console.error(error.message);
  await stop(1);
}
