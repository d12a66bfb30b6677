import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ask } from '@/tests/helpers/database/askDatabase';
import { killServers, startServer } from '@/tests/helpers/server/serverProcess';

/** The keys of this folder are not those of the test run. */
beforeAll(async () => {
  await ask(process.env['DATABASE_URL'] ?? '', 'DELETE FROM key_checks');
});

const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-keys-'));
const env = {
  DATABASE_URL: process.env['DATABASE_URL'],
  GATEHOUSE_DATA_DIR: dataDir,
  LOG_LEVEL: 'info',
};

afterAll(async () => {
  await killServers();
  rmSync(dataDir, { recursive: true, force: true });
});

describe('outside production, on a database of the operator’s, with no keys set', () => {
  it('two nodes that start at once make one set of keys, and take each other’s tokens', async () => {
    const nodes = [startServer(env), startServer(env)];
    const [first = '', second = ''] = await Promise.all(nodes.map((node) => node.url()));
    expect(first).not.toBe(second);
    expect(statSync(join(dataDir, 'keys.json')).mode & 0o777).toBe(0o600);

    const login = await fetch(`${first}/api/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: 'test@example.com', password: 'Password123!' }),
    });
    expect(login.status).toBe(200);
    const { accessToken } = (await login.json()) as { accessToken: string };
    const me = await fetch(`${second}/api/auth/me`, {
      headers: { authorization: `Bearer ${accessToken}` },
    });
    expect(me.status).toBe(200);
    for (const node of nodes) expect(node.stdout()).toContain('the keys come from this folder');
  });

  it('starts no database of its own and makes no demo tenant', () => {
    expect(existsSync(join(dataDir, 'cluster'))).toBe(false);
  });
});
