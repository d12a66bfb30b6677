import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { operate } from '@/tests/helpers/server/operatorCommand';
import { REPOSITORY, killServers, startServer } from '@/tests/helpers/server/serverProcess';

const page = readFileSync(join(REPOSITORY, 'docs/isolation.md'), 'utf8');
const trial = /## See it work\n([^]*?)\n## /.exec(page)?.[1] ?? '';
const blockOf = (language: string) =>
  new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(trial)?.[1] ?? '';
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-trial-'));

const clients: Client[] = [];

afterAll(async () => {
  await Promise.all(clients.map((client) => client.end()));
  await killServers();
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
});

async function connect(url: string): Promise<Client> {
  const client = new Client(url);
  await client.connect();
  clients.push(client);
  return client;
}

it('docs/isolation.md: a role on the embedded database sees one tenant at a time, and rewrites no event', async () => {
  chmodSync(folder, 0o711);
  const settings = {
    NODE_ENV: 'test',
    GATEHOUSE_DATA_DIR: join(folder, '.gatehouse'),
    LOG_LEVEL: 'silent',
    ARGON2_MEMORY_KIB: '1024',
    ARGON2_TIME_COST: '1',
  };
  await startServer(settings).url();
  const [assignment = '', creation = '', grant = ''] = blockOf('sh').split('\n');
  const found = await promisify(execFile)('bash', ['-c', `${assignment}\necho "$OWNER"`], {
    cwd: folder,
  });
  const url = found.stdout.trim();
  const owner = await connect(url);
  await owner.query(/-c "(.*)"/.exec(creation)?.[1] ?? '');
  expect(await operate(settings, grant.split(' -- ')[1]?.split(' ') ?? [])).toMatchObject({
    code: 0,
  });
  await owner.query(`INSERT INTO tenant_roles (tenant_id, name, permissions)
    SELECT id, 'Clerk', '{}' FROM tenants`);
  const { rows } = await owner.query<{ id: string }>('SELECT id FROM tenants');

  const asRole = new URL(url);
  [asRole.username, asRole.password] = ['gatehouse_serving', 'choose-one'];
  const serving = await connect(asRole.href);
  const [before = '', named = '', after = ''] = blockOf('sql').split(/(?=BEGIN;)|(?=UPDATE )/);
  expect((await serving.query(before)).rows).toEqual([{ count: '0' }]);
  const results = await serving.query(named.replace('…', rows[0]?.id ?? ''));
  expect((results as unknown as { rows: unknown[] }[])[2]?.rows).toEqual([{ count: '1' }]);
  await expect(serving.query(after)).rejects.toThrow('permission denied for table audit_logs');
});
