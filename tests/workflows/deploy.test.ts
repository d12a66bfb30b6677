import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { ask } from '../helpers/database/askDatabase';
import { newestTag, numbered, readMigrations } from '../helpers/database/migrationsFolder';
import {
  copyRepository,
  makeDeployableRepository,
  openSchemaServer,
} from '../helpers/repository/scratchRepository';
import type { ScratchRepository } from '../helpers/repository/scratchRepository';
import { REPOSITORY, externalEnv } from '../helpers/server/serverProcess';
import { createTestDatabase } from '../helpers/database/testDatabase';
import { runJob, stepsOf } from '../helpers/repository/workflow';

/** A host that records its commands, and whose deployment starts the server of the checkout. */
const HOST = `#!/usr/bin/env bash
set -euo pipefail
echo "$1 $ENVIRONMENT" >> host.log
[ "$1" = backup ] && exit "\${BACKUP_EXIT:-0}"
node dist/server/index.js > server.log 2>&1 &
echo $! > server.pid
`;

const ADDED = 'CREATE TABLE deployed (id bigint PRIMARY KEY)';

let template: ScratchRepository;
/** A checkout with one migration more, which is recorded and not in git yet. */
let ahead: ScratchRepository;
let repository: ScratchRepository;
let url: string;
let drop: () => Promise<void>;

beforeAll(async () => {
  await openSchemaServer();
  template = makeDeployableRepository();
  template.write('.github/deploy/host.sh', HOST);
  template.write(
    '.git/info/exclude',
    'node_modules\nhost.log\nserver.log\nserver.pid\n.gatehouse\n',
  );
  template.commitAll();
  ahead = copyRepository(template);
  await ahead.spawnSchema('generate', '--custom', '--name', 'deployed');
  await writeMigration(ahead, ADDED);
});
beforeEach(async () => {
  repository = copyRepository(template);
  ({ url, drop } = await createTestDatabase());
});
afterEach(async () => {
  const note = join(repository.root, 'server.pid');
  if (existsSync(note)) process.kill(Number(readFileSync(note, 'utf8')), 'SIGKILL');
  await drop();
  repository.dispose();
});
afterAll(() => {
  template.dispose();
  ahead.dispose();
});

/** The role of the run, to which the template's functions are granted. */
const KNOWN_ROLE = process.env['SCHEMA_KNOWN_ROLES'] ?? '';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** Writes the migration of the release that is about to be deployed. */
async function writeMigration(into: ScratchRepository, statement: string): Promise<void> {
  const file = `migrations/${numbered(0, 'deployed')}.sql`;
  into.write(file, `SET LOCAL lock_timeout = '5s';--> statement-breakpoint\n${statement};\n`);
  expect((await into.schema('record')).code).toBe(0);
}

/** Continues from the release with one migration more. */
function useAhead(): void {
  repository.dispose();
  repository = copyRepository(ahead);
}

async function deploy(env: NodeJS.ProcessEnv = {}, servingRole = '') {
  const port = await freePort();
  const service = `http://127.0.0.1:${port}`;
  const values = {
    'inputs.environment': 'staging',
    'secrets.DATABASE_URL': url,
    'secrets.DEPLOY_TOKEN': '',
    'github.actor': 'ann',
    'github.run_id': '42',
    'vars.SCHEMA_KNOWN_ROLES': KNOWN_ROLE,
    'vars.SERVING_ROLE': servingRole,
    'vars.SERVICE_URL': service,
  };
  const settings = { ...externalEnv(url), PORT: String(port), PROBE_PAUSE_SEC: '0.1', ...env };
  const steps = stepsOf('deploy.yml', 'deploy');
  return runJob(steps, repository.root, values, settings);
}

const hostLog = () => {
  const log = join(repository.root, 'host.log');
  return existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : [];
};

const applied = () =>
  ask<{ tag: string; by: string; version: string }>(
    url,
    'SELECT tag, applied_by AS by, code_version AS version FROM drizzle.__drizzle_migrations ORDER BY created_at',
  );

describe('a deployment', () => {
  it('migrates, gives the serving role its rights, verifies, deploys and finds the new version ready; the database knows who did it', async () => {
    useAhead();
    repository.commitAll();
    // As on the host of a job: nothing is built yet.
    repository.remove('dist');
    const role = `deployed_${process.pid}`;
    await ask(url, `CREATE ROLE ${role}`);
    const run = await deploy({}, role);
    const mayRead = `SELECT has_table_privilege('${role}', 'tenants', 'SELECT') AS may`;
    expect(await ask(url, mayRead)).toEqual([{ may: true }]);
    await ask(url, `DROP OWNED BY ${role}; DROP ROLE ${role}`);
    expect(run.failed).toBeUndefined();
    expect(run.done).toStrictEqual([
      'Name the release',
      'Check that schema, migrations and git agree',
      'Show the pending migrations',
      'Back up',
      'Migrate',
      'Give the serving role its rights',
      'Verify the live schema',
      'Deploy',
      'Probe the new version',
    ]);
    expect(hostLog()).toStrictEqual(['backup staging', 'deploy staging']);
    // One account builds it, and another account serves it.
    expect(statSync(join(repository.root, 'dist')).mode & 0o777).toBe(0o777 & ~process.umask());
    const commit = repository.git('rev-parse', '--short=12', 'HEAD').trim();
    const last = (await applied()).at(-1);
    expect(last).toMatchObject({ tag: numbered(0, 'deployed'), by: 'github:ann run 42' });
    expect(last?.version).toMatch(new RegExp(`\\+${commit}$`));
  });

  it('stops before it touches anything where a migration is not in git', async () => {
    useAhead();
    const run = await deploy();
    expect(run.failed?.step).toBe('Check that schema, migrations and git agree');
    expect(run.failed?.output).toContain('UNTRACKED');
    expect(hostLog()).toStrictEqual([]);
    expect(await applied()).toHaveLength(readMigrations().length);
  });

  it('migrates nothing without a backup', async () => {
    useAhead();
    repository.commitAll();
    const run = await deploy({ BACKUP_EXIT: '1' });
    expect(run.failed?.step).toBe('Back up');
    expect(await applied()).toHaveLength(readMigrations().length);
  });

  it('deploys nothing where a migration fails on the data there is, and leaves the schema as it was', async () => {
    useAhead();
    await writeMigration(
      repository,
      `${ADDED};--> statement-breakpoint\nSELECT 1 / (count(*) - 1) FROM users`,
    );
    repository.commitAll();
    const run = await deploy();
    expect(run.failed?.step).toBe('Migrate');
    expect(run.failed?.output).toMatch(/_deployed .*division by zero/s);
    expect(hostLog()).toStrictEqual(['backup staging']);
    expect(await ask(url, `SELECT FROM pg_class WHERE relname = 'deployed'`)).toHaveLength(0);
  });

  it('deploys nothing where the live schema was changed by hand', async () => {
    await ask(url, 'ALTER TABLE audit_logs DISABLE TRIGGER audit_logs_append_only');
    const run = await deploy();
    expect(run.failed?.step).toBe('Verify the live schema');
    expect(run.failed?.output).toContain('ENABLE ALWAYS TRIGGER audit_logs_append_only');
    expect(run.failed?.output).not.toContain(new URL(url).password || 'no password');
    expect(hostLog()).toStrictEqual(['backup staging']);
  });

  it('fails where another version answers than the one that was deployed', async () => {
    repository.write(
      '.github/deploy/host.sh',
      HOST.replace('node dist', 'RELEASE=another node dist'),
    );
    repository.commitAll();
    const run = await deploy({ PROBE_TRIES: '20' });
    expect(run.failed?.step).toBe('Probe the new version');
    expect(run.failed?.output).toContain('another version answered');
  });
});

describe('the nightly comparison', () => {
  const night = () =>
    runJob(stepsOf('schema-drift.yml', 'drift'), repository.root, {
      'inputs.ref': '',
      'secrets.DATABASE_URL': url,
      'vars.SCHEMA_KNOWN_ROLES': `reporting,${KNOWN_ROLE}`,
    });
  const report = () => readFileSync(join(repository.root, 'schema-drift.md'), 'utf8');

  it('passes and says so where production is what its migrations make, as a role that reads no data', async () => {
    const owner = url;
    const role = `nightly_${process.pid}`;
    const guide = readFileSync(join(REPOSITORY, 'docs', 'deployment.md'), 'utf8');
    const grants = /^CREATE ROLE nightly[^`]*/m.exec(guide)?.[0] ?? '';
    await ask(owner, grants.replaceAll('nightly', role));
    url = Object.assign(new URL(owner), { username: role, password: '…' }).toString();
    const { failed } = await night();
    url = owner;
    await ask(owner, `DROP OWNED BY ${role}; DROP ROLE ${role}`);
    expect(failed).toBeUndefined();
    expect(report()).toMatch(/^# Schema: no findings\n/);
    expect(report()).toContain(`migrations up to: ${newestTag()}, fingerprint \``);
  });

  it('fails and reports each difference with what mends it, and no password', async () => {
    await ask(url, 'DROP INDEX idx_refresh_tokens_family');
    const { failed, done } = await night();
    expect(failed?.step).toBe('Compare production with its migrations');
    expect(done).toContain('Show the report');
    expect(report()).toMatch(/^# Schema: 1 finding\n/);
    expect(report()).toMatch(
      /\| DRIFT \| index public\.refresh_tokens\.idx_refresh_tokens_family \|.*\| CREATE INDEX/,
    );
    expect(report()).not.toContain('postgres://');
  });

  it('fails where it could not look: that is not nothing wrong', async () => {
    const kept = url;
    url = 'postgres://reader:hidden@127.0.0.1:1/production';
    const { failed } = await night();
    url = kept;
    expect(failed?.output).toContain('COULD_NOT_LOOK');
    expect(report() + (failed?.output ?? '')).not.toContain('hidden');
  });
});
