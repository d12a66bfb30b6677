import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { startEmbeddedPostgres } from '../server/embedded/embeddedPostgres';
import type { EmbeddedPostgres } from '../server/embedded/embeddedPostgres';
import { migrate } from '../server/schema/migrations/migrate';
import { loadConfig, requireReady } from '../server/config';
import type { ReadyConfig } from '../server/config';
import { generateSecrets } from '../server/keyRing';
import { insertDirectly, openReporter } from './appEvents';
import { killChildren, serveParent, startChild } from './child';
import type { Child, Role } from './child';
import { compare } from './compare';
import type { Comparison, Measured } from './compare';
import { compareExport, compareVerification } from './evidence';
import { productionSettings, startGatehouse } from './gatehouse';
import type { Gatehouse } from './gatehouse';
import { compareGuarded, compareIntrospection, guardedExpress } from './guardCost';
import { httpLoad } from './httpLoad';
import type { Scenario } from './httpLoad';
import { compareLimits } from './limitsCost';
import { report } from './benchReport';
import { measureRevocations, revokeAndAsk } from './revocations';
import { lookUp, measureScoring, serve } from './scoring';
import { measureSealing, sealBacklog, sealSeed, serveSealing } from './sealing';
import { EXPORT_RANGE, USER_AGENT, seed } from './seed';
import type { Seeded } from './seed';
import { bareExpress, copyThroughGzip, rotateDirectly, verifyPasswords } from './yardsticks';

const CONNECTIONS = 16;

const ROLES: Record<string, Role> = {
  'http-load': httpLoad,
  'guarded-express': guardedExpress,
  'revoke-and-ask': revokeAndAsk,
  'bare-express': bareExpress,
  'rotate-directly': rotateDirectly,
  'verify-passwords': verifyPasswords,
  'copy-through-gzip': copyThroughGzip,
  serve,
  'look-up': lookUp,
  'insert-directly': insertDirectly,
  'seal-backlog': sealBacklog,
  'serve-sealing': serveSealing,
};

const { values: options } = parseArgs({
  options: {
    role: { type: 'string' },
    only: { type: 'string' },
    rounds: { type: 'string' },
    'audit-rows': { type: 'string', default: '200000' },
    history: { type: 'string', default: '1000000' },
    'storm-sec': { type: 'string', default: '0' },
    'cpu-prof': { type: 'string' },
  },
});

/**
 * How many people's tokens the phase `refresh` spends. The tokens of the others are for the phases
 * after it.
 */
const REFRESHING = 24_000;
const SIZES = {
  people: REFRESHING + 8400,
  accessTokens: 512,
  auditRows: Number(options['audit-rows']),
};

/** The state that the phases share. */
interface Bench {
  config: ReadyConfig;
  env: Record<string, string>;
  gatehouse: Gatehouse;
  seeded: Seeded;
  /** The file in which the phase `export` leaves its last bundle. */
  bundle: string;
}

const child = (role: string, setup: object): Promise<Child> => startChild(__filename, role, setup);

const load = (port: number, scenario: Scenario, connections = CONNECTIONS): Promise<Child> =>
  child('http-load', { port, connections, userAgent: USER_AGENT, scenario });

/**
 * Returns the phases of the load generator, with the server's processor time instead of its own.
 */
function onServer(loader: Measured, cpuMs: () => Promise<number>): Measured {
  return {
    async run(ms) {
      const before = await cpuMs();
      const phase = await loader.run(ms);
      return { ...phase, cpuMs: (await cpuMs()) - before };
    },
  };
}

async function compareAuthenticated({ gatehouse, seeded }: Bench): Promise<Comparison> {
  const { accessTokens } = seeded;
  const bare = await child('bare-express', {});
  const own = await load(gatehouse.port, { kind: 'get', path: '/api/auth/me', accessTokens });
  const other = await load(bare.ready as number, { kind: 'get', path: '/json', accessTokens });
  const comparison = await compare(
    {
      name: 'authenticated',
      unit: 'GET /api/auth/me, which checks signature and session each time,',
      yardstickName: 'a bare Express 5 JSON route',
      aim: 0.5,
    },
    { measured: onServer(own, gatehouse.cpuMs), yardstick: onServer(other, bare.cpuMs) },
    { rounds: rounds(5), ms: 1200, warmUpMs: 1200 },
  );
  await Promise.all([own.stop(), other.stop(), bare.stop()]);
  return comparison;
}

async function compareRefresh({ config, gatehouse, seeded }: Bench): Promise<Comparison> {
  const half = REFRESHING >> 1;
  const own = await load(gatehouse.port, {
    kind: 'refresh',
    refreshTokens: seeded.refreshTokens.slice(0, half),
  });
  const other = await child('rotate-directly', {
    databaseUrl: config.databaseUrl,
    poolSize: config.databasePoolSize,
    secrets: config.secrets,
    refreshTokens: seeded.refreshTokens.slice(half, REFRESHING),
    connections: CONNECTIONS,
    userAgent: USER_AGENT,
  });
  const comparison = await compare(
    {
      name: 'refresh',
      unit: 'POST /api/auth/refresh, each by another person that the scorer must look up,',
      yardstickName: 'the same rotation directly through pg',
      aim: 0.4,
    },
    { measured: onServer(own, gatehouse.cpuMs), yardstick: other },
    { rounds: rounds(5), ms: 1200, warmUpMs: 800 },
  );
  await Promise.all([own.stop(), other.stop()]);
  return comparison;
}

async function compareLogin({ gatehouse, seeded }: Bench): Promise<Comparison> {
  const { emails, password, passwordHash } = seeded;
  const own = await load(gatehouse.port, { kind: 'login', emails, password });
  const setup = { passwordHash, password, connections: CONNECTIONS };
  const other = await child('verify-passwords', setup);
  const comparison = await compare(
    {
      name: 'login',
      unit: 'POST /api/auth/login, each by another user,',
      yardstickName: 'argon2 verifies at the same cost',
      aim: 0.9,
    },
    { measured: onServer(own, gatehouse.cpuMs), yardstick: other },
    { rounds: rounds(3), ms: 2500, warmUpMs: 300 },
  );
  await Promise.all([own.stop(), other.stop()]);
  return comparison;
}

async function measureExport({ config, gatehouse, seeded, bundle }: Bench): Promise<Comparison> {
  const { tenantId, accessToken } = seeded.officer;
  const copy = await child('copy-through-gzip', {
    databaseUrl: config.databaseUrl,
    source: `(SELECT * FROM audit_logs WHERE tenant_id = '${tenantId}' AND occurred_at
      BETWEEN '${EXPORT_RANGE.from}' AND '${EXPORT_RANGE.to}T23:59:59.999Z')`,
    rows: SIZES.auditRows,
  });
  const withCpu = (own: Measured) => onServer(own, gatehouse.cpuMs);
  const server = { port: gatehouse.port, accessToken, withCpu };
  const comparison = await compareExport(server, copy, { file: bundle, rounds: rounds(3) });
  await copy.stop();
  return comparison;
}

async function compareAppEvents({ config, gatehouse, seeded }: Bench): Promise<Comparison> {
  const { tenantId } = seeded.officer;
  const reporter = await openReporter(config, tenantId);
  const own = await load(gatehouse.port, { kind: 'report', ...reporter }, 4);
  const { databaseUrl } = config;
  const other = await child('insert-directly', { databaseUrl, tenantId, connections: 4 });
  const comparison = await compare(
    {
      name: 'appEvents',
      unit: 'POST /api/audit/events with 100 events each',
      yardstickName: 'the same rows by one INSERT … SELECT in each transaction',
      aim: 0.2,
    },
    { measured: onServer(own, gatehouse.cpuMs), yardstick: other },
    { rounds: rounds(5), ms: 2000, warmUpMs: 1000 },
  );
  await Promise.all([own.stop(), other.stop()]);
  return comparison;
}

const COMPARISONS = {
  authenticated: compareAuthenticated,
  limits: ({ env, gatehouse, seeded }: Bench) =>
    compareLimits({ env, gatehouse, load, onServer, rounds: rounds(7) }, seeded.accessTokens),
  guarded: (bench: Bench) =>
    compareGuarded(
      { ...bench, child, load, onServer, rounds: rounds(5) },
      bench.seeded.accessTokens,
    ),
  introspect: (bench: Bench) =>
    compareIntrospection(
      { ...bench, child, load, onServer, rounds: rounds(5) },
      bench.seeded.accessTokens,
    ),
  refresh: compareRefresh,
  login: compareLogin,
  export: measureExport,
  verification: ({ bundle }: Bench) => compareVerification(bundle, rounds(3)),
  // Last, because it fills the log that the export reads.
  appEvents: compareAppEvents,
};

const wanted = (name: string) =>
  options.only === undefined || options.only.split(',').includes(name);

function rounds(usual: number): number {
  return options.rounds === undefined ? usual : Number(options.rounds);
}

function scoringOf(
  config: ReadyConfig,
  env: Record<string, string>,
  seeded: Seeded,
): Promise<string> {
  process.stderr.write('scoring …\n');
  // These come from the end of the list, because the earlier phases used tokens from the start.
  const fresh = {
    refreshTokens: seeded.refreshTokens.slice(-400),
    emails: seeded.emails.slice(-400),
    password: seeded.password,
  };
  const tools = { config, env, child, load, rounds: rounds(7) };
  return measureScoring(tools, fresh, Number(options.history));
}

function sealingOf(
  { databaseUrl }: ReadyConfig,
  env: Record<string, string>,
  seeded: Seeded,
): Promise<string> {
  process.stderr.write('sealing …\n');
  const tools = { databaseUrl, env, child, load, rounds: rounds(5) };
  return measureSealing(tools, seeded.refreshTokens.slice(REFRESHING, REFRESHING + 8000));
}

interface Running {
  postgres?: EmbeddedPostgres;
  stopping?: boolean;
}

async function measure(dataDir: string, running: Running): Promise<string> {
  // Durable, as in production: a rotation that was answered is on the disk.
  const postgres = await startEmbeddedPostgres({ dataDir, durable: true });
  running.postgres = postgres;
  const env = await productionSettings(postgres.url, generateSecrets());
  const config = requireReady(loadConfig(env));
  await migrate(config.databaseUrl, config.migrationsDir);
  // A server records its keys in an empty database, and refuses one that was filled with unknown keys.
  await (await startGatehouse(env, [])).stop();
  const seeded = await seed(config, SIZES);
  await sealSeed(env);
  const profile = options['cpu-prof'];
  const nodeArgs =
    profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(profile)}`];
  const gatehouse = await startGatehouse(env, nodeArgs);
  const comparisons: Comparison[] = [];
  for (const [name, comparison] of Object.entries(COMPARISONS)) {
    if (!wanted(name)) continue;
    process.stderr.write(`${name} …\n`);
    comparisons.push(
      await comparison({ config, env, gatehouse, seeded, bundle: join(dataDir, 'bundle.zip') }),
    );
  }
  const revocations = wanted('revocation')
    ? await measureRevocations({ config, env, gatehouse, child }, Number(options['storm-sec']))
    : '';
  const peak = gatehouse.peakMemoryMb();
  await gatehouse.stop();
  const sealing = wanted('sealing') ? await sealingOf(config, env, seeded) : '';
  const scoring = wanted('scoring') ? await scoringOf(config, env, seeded) : '';
  const memory = peak === undefined ? '' : `Peak memory of the server: ${peak} MB\n`;
  const table = comparisons.length > 0 ? report(comparisons) : '';
  return table + memory + revocations + sealing + scoring;
}

async function main(): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'));
  const running: Running = {};
  const cleanUp = async () => {
    killChildren();
    await running.postgres?.stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
  const interrupted = (signal: NodeJS.Signals) => {
    running.stopping = true;
    void cleanUp().finally(() => process.exit(signal === 'SIGINT' ? 130 : 143));
  };
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  try {
    process.stdout.write(`\n${await measure(dataDir, running)}`);
  } catch (error) {
    // A run that a signal interrupted has no result.
    if (running.stopping) return;
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exitCode = 1;
  } finally {
    await cleanUp();
  }
}

if (options.role === undefined) void main();
else serveParent(ROLES[options.role] as Role);
