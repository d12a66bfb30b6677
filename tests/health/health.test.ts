import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Express } from 'express';
import { sql } from 'drizzle-orm';
import request from 'supertest';
import { app } from '@/server/app';
import { db } from '@/server/db';
import { createLogger } from '@/server/logger';
import { withoutTable } from '../helpers/database/authRows';
import { closeLater } from '../helpers/server/closing';
import { MIGRATIONS, readMigrations, writeMigrations } from '../helpers/database/migrationsFolder';
import { buildApp } from '../helpers/server/testApp';

const live = (on: Express) => request(on).get('/health/live');
const ready = (on: Express) => request(on).get('/health/ready');
const metrics = (on: Express, authorization?: string) => {
  const call = request(on).get('/metrics');
  return authorization === undefined ? call : call.set('authorization', authorization);
};

const TOKEN = 'a-metrics-token';
const ok = { ok: true };
const told = { process: ok, clock: ok, people: ok, ipRules: ok, proxies: ok };
const fine = { database: ok, writes: ok, migrations: ok, schema: ok, keys: ok, role: ok, ...told };
const failed = (reason: string) => ({ ok: false, reason });

const NEWEST = readMigrations().at(-1);

/** Returns a release with one migration more than the database has. */
function newerRelease(): string {
  const all = readMigrations();
  const when = (NEWEST?.when ?? 0) + 1000;
  const next = { idx: all.length, version: '7', when, tag: '9999_next', breakpoints: true };
  return writeMigrations([...all, { ...next, sql: 'SELECT 1' }]);
}

describe('GET /health/live', () => {
  it('answers with the version, whatever becomes of the database', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
    const { app: alone } = buildApp({ databaseUrl: 'postgres://u:p@127.0.0.1:1/x' });
    for (const each of [app, alone]) {
      const res = await live(each);
      expect(res.status).toBe(200);
      expect(res.body).toStrictEqual({ status: 'live', version });
    }
  });
});

describe('GET /health/ready', () => {
  it('is 200 where everything works', async () => {
    const res = await ready(app);
    expect(res.status).toBe(200);
    expect(res.body).toStrictEqual({ status: 'ready', checks: fine });
  });

  it('looks at the database once for everybody who asks while another look runs', async () => {
    const { app: own, deps } = buildApp();
    const server = own.listen(0);
    await once(server, 'listening');
    const find = jest.spyOn(deps.writeProbe, 'find').mockImplementation(async () => {
      await allHaveAsked;
      return undefined;
    });
    const allHaveAsked = new Promise<void>((resolve) => {
      let asked = 0;
      server.on('request', () => {
        asked += 1;
        if (asked === 30) setImmediate(resolve);
      });
    });
    const { port } = server.address() as AddressInfo;
    const ask = () => fetch(`http://127.0.0.1:${port}/health/ready`);
    const answers = await Promise.all(Array.from({ length: 30 }, ask));
    expect(answers.map(({ status }) => status)).toStrictEqual(Array(30).fill(200));
    expect(find).toHaveBeenCalledTimes(2);
    server.closeAllConnections();
    server.close();
  });

  it('is 503 and says so while migrations are pending', async () => {
    const { app: newer } = buildApp({ migrationsDir: newerRelease() });
    const res = await ready(newer);
    expect(res.status).toBe(503);
    expect(res.body).toStrictEqual({
      status: 'not_ready',
      checks: { ...fine, migrations: failed('Migrations are pending: 9999_next.') },
    });
  });

  it('is 200 where the database is newer than the code, and says so: old nodes serve until they are replaced', async () => {
    const { app: older } = buildApp({
      migrationsDir: writeMigrations(readMigrations().slice(0, -1)),
    });
    const res = await ready(older);
    expect(res.status).toBe(200);
    expect(res.body.checks.migrations).toStrictEqual({
      ok: true,
      findings: [expect.stringMatching(/newer release/)],
    });
  });

  it('is 200 and names what differs, where no table is missing: a check must not withdraw every node', async () => {
    await db.execute(sql`DROP INDEX idx_refresh_tokens_session`);
    const res = await ready(app);
    await db.execute(sql`CREATE INDEX idx_refresh_tokens_session ON refresh_tokens (session_id)`);
    expect(res.status).toBe(200);
    expect(res.body.checks.schema).toStrictEqual({
      ok: true,
      findings: ['index public.refresh_tokens.idx_refresh_tokens_session is missing'],
    });
    expect((await ready(app)).body.checks).toStrictEqual(fine);
  });

  it('is 503 and names the table that is missing, and 200 again when it is back', async () => {
    const res = await withoutTable('known_countries', () => ready(app).then((answer) => answer));
    expect(res.status).toBe(503);
    expect(res.body).toStrictEqual({
      status: 'not_ready',
      checks: {
        ...fine,
        schema: {
          ...failed('Tables are missing: known_countries.'),
          findings: [
            'table public.known_countries is missing',
            'table public.known_countries_hidden comes from no migration',
          ],
        },
      },
    });
    expect((await ready(app)).status).toBe(200);
  });

  it('is 503 while the database is gone, and leaks neither its password nor where it is', async () => {
    const { app: alone } = buildApp({ databaseUrl: 'postgres://person:hidden@127.0.0.1:1/cellar' });
    const res = await ready(alone);
    expect(res.status).toBe(503);
    const gone = failed('The database cannot be reached.');
    expect(res.body).toStrictEqual({
      status: 'not_ready',
      checks: {
        database: gone,
        writes: gone,
        migrations: gone,
        schema: gone,
        keys: gone,
        role: ok,
        ...told,
        ipRules: failed('The IP rules cannot be read from the tables ip_rule_sets and ip_rules.'),
      },
    });
    expect(JSON.stringify([res.body, res.headers])).not.toMatch(
      /hidden|person|cellar|127\.0\.0\.1/,
    );
  });

  it('is 503 where it cannot read its own migrations: could not look is not nothing wrong', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-broken-'));
    closeLater(() => Promise.resolve(rmSync(folder, { recursive: true })));
    cpSync(MIGRATIONS, folder, { recursive: true });
    writeFileSync(join(folder, 'meta', '_journal.json'), 'not JSON');
    const { app: broken } = buildApp({ migrationsDir: folder });
    const res = await ready(broken);
    expect(res.status).toBe(503);
    expect(res.body.checks).toStrictEqual({
      ...fine,
      migrations: failed('The migrations could not be checked.'),
      schema: failed('The schema could not be checked.'),
    });
  });

  it('is 503 where a key does not do its work', async () => {
    const { app: keyless, deps } = buildApp();
    jest.spyOn(deps.keys, 'open').mockReturnValue(Buffer.from('something else'));
    const res = await ready(keyless);
    expect(res.status).toBe(503);
    expect(res.body.checks).toStrictEqual({ ...fine, keys: failed('A key does not work.') });
  });

  it('needs no token, and no cache may keep it', async () => {
    const res = await ready(app).set('authorization', 'Bearer nonsense');
    expect(res.status).toBe(200);
    expect(res.headers['cache-control']).toBe('no-store');
  });

  it.each([
    ['production, no token set', { production: true }, undefined],
    ['a token set, none sent', { metricsToken: TOKEN }, undefined],
    ['a token set, a wrong one sent', { metricsToken: TOKEN }, 'Bearer another-token'],
    ['production, a token set, a part sent', { production: true, metricsToken: TOKEN }, 'Bearer a'],
  ])('tells its status alone to strangers: %s', async (_when, settings, authorization) => {
    const { app: closed, deps } = buildApp(settings);
    const answer = async () => {
      const call = ready(closed);
      return authorization === undefined ? call : call.set('authorization', authorization);
    };
    const good = await answer();
    expect([good.status, good.body]).toStrictEqual([200, { status: 'ready' }]);
    jest.spyOn(deps.keys, 'open').mockReturnValue(Buffer.from('something else'));
    const bad = await answer();
    expect([bad.status, bad.body]).toStrictEqual([503, { status: 'not_ready' }]);
  });

  it('tells the reasons to the holder of METRICS_TOKEN, and writes them to the log once', async () => {
    const lines: string[] = [];
    const logger = createLogger({ logLevel: 'warn' }, { write: (line) => void lines.push(line) });
    const settings = { production: true, allowOwnerRole: true, metricsToken: TOKEN };
    const { app: closed, deps } = buildApp(settings, { logger });
    jest.spyOn(deps.keys, 'open').mockReturnValue(Buffer.from('something else'));
    const res = await ready(closed).set('authorization', `Bearer ${TOKEN}`);
    expect(res.body.checks.keys).toStrictEqual(failed('A key does not work.'));
    await ready(closed);
    expect(lines.filter((line) => line.includes('A key does not work.'))).toHaveLength(1);
  });
});

describe('GET /metrics', () => {
  it.each(['/metrics', '/METRICS', '/Metrics/', '/metrics/', '/%6detrics', '/metrics?x=1'])(
    'written %s is closed without the token, in production and with a token set',
    async (path) => {
      for (const settings of [{ production: true }, { metricsToken: TOKEN }]) {
        const { app: closed } = buildApp(settings);
        const res = await request(closed).get(path);
        expect([res.status, res.body.error]).toStrictEqual([404, 'NOT_FOUND']);
        expect(res.text).not.toContain('gatehouse_');
      }
    },
  );

  it('is closed to other machines if no token is set, outside production too', async () => {
    const elsewhere = Object.values(networkInterfaces())
      .flat()
      .find((address) => address?.family === 'IPv4' && !address.internal)?.address;
    // If this machine has no other address, one of the loopback block replaces it, and is allowed.
    const server = app.listen(0, '0.0.0.0');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const res = await fetch(`http://${elsewhere ?? '127.0.0.2'}:${port}/metrics`);
    expect(res.status).toBe(elsewhere === undefined ? 200 : 404);
    server.close();
  });

  it('is open outside production where no token is set', async () => {
    const res = await metrics(app);
    expect(res.status).toBe(200);
    expect(res.headers['content-type']).toMatch(/^text\/plain/);
    for (const name of [
      'gatehouse_logins_total',
      'gatehouse_anomaly_checks_skipped_total',
      'gatehouse_schema_missing_tables 0',
    ]) {
      expect(res.text).toContain(name);
    }
  });

  it('does not exist in production where no token is set', async () => {
    const { app: production } = buildApp({ production: true });
    const res = await metrics(production);
    expect({ status: res.status, error: res.body.error }).toStrictEqual({
      status: 404,
      error: 'NOT_FOUND',
    });
  });

  it.each([
    ['none', undefined],
    ['a wrong one', 'Bearer b-metrics-token'],
    ['a part of it', 'Bearer a-metrics'],
    ['it without the scheme', TOKEN],
    ['more than it', `Bearer ${TOKEN}x`],
    ['an empty one', 'Bearer '],
  ])('with a token set does not exist for %s', async (_what, authorization) => {
    for (const production of [true, false]) {
      const { app: closed } = buildApp({ production, metricsToken: TOKEN });
      expect((await metrics(closed, authorization)).status).toBe(404);
    }
  });

  it('with a token set answers whoever has it', async () => {
    const { app: closed } = buildApp({ production: true, metricsToken: TOKEN });
    expect((await metrics(closed, `Bearer ${TOKEN}`)).status).toBe(200);
  });
});
