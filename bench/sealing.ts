import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { loadConfig, requireReady } from '../server/config';
import { createApp } from '../server/createApp';
import { createDeps } from '../server/deps';
import type { Child, Job, Phase } from './child';
import { compare, median, rate, ratios } from './compare';
import type { Comparison } from './compare';
import type { Scenario } from './httpLoad';

const TEN_MINUTES = 600_000;
/** As often as a server seals, in milliseconds. */
const EVERY_MS = 1000;
const EVENTS = 100_000;

interface Setup {
  env: Record<string, string>;
}

const open = (env: Record<string, string>) =>
  createDeps(requireReady(loadConfig({ ...env, LOG_LEVEL: 'error' })));

async function timed(done: number, work: () => Promise<unknown>): Promise<Omit<Phase, 'cpuMs'>> {
  const began = performance.now();
  await work();
  return { done, seconds: (performance.now() - began) / 1000, p50: 0, p99: 0 };
}

/** Seals the events that were written since the last run. */
export function sealBacklog({ env }: Setup): Job {
  const { sealer } = open(env);
  return { run: () => timed(EVENTS, () => sealer.sealNow(TEN_MINUTES)) };
}

/** Runs the whole application, which seals only during a run. */
export async function serveSealing({ env }: Setup): Promise<Job> {
  const deps = open(env);
  deps.broadcast.start();
  const server = createServer(createApp(deps)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    ready: (server.address() as AddressInfo).port,
    run: (ms) =>
      timed(1, async () => {
        const until = performance.now() + ms;
        do await deps.sealer.sealNow(TEN_MINUTES);
        while (performance.now() < until && (await delay(EVERY_MS, true)));
      }),
  };
}

interface Tools {
  databaseUrl: string;
  env: Record<string, string>;
  child: (role: string, setup: object) => Promise<Child>;
  load: (port: number, scenario: Scenario) => Promise<Child>;
  rounds: number;
}

const WRITE_EVENTS = `INSERT INTO audit_logs (tenant_id, action, outcome, actor, subject, ip, user_agent, correlation_id, details)
  SELECT (SELECT id FROM tenants ORDER BY id OFFSET g % 20 LIMIT 1), 'AUTH_TOKEN_REFRESH', 'success', gen_random_uuid()::text,
    'session:' || gen_random_uuid(), '127.0.0.1', repeat('Mozilla/5.0 ', 10), gen_random_uuid()::text, '{"degraded": false}'
  FROM generate_series(1, ${EVENTS}) g`;

/**
 * The lower limit of the cost: rows of the same form with the same indexes, copied within Postgres,
 * also durable.
 */
const PLAIN_TABLE = 'CREATE TABLE bench_leaves (LIKE audit_leaves INCLUDING INDEXES)';
const WRITE_PLAIN = `INSERT INTO bench_leaves SELECT log_id, leaf_index, event_id, sealed_at, leaf_hash
  FROM audit_leaves ORDER BY sealed_at DESC LIMIT ${EVENTS}`;

async function compareSealing({ databaseUrl, env, child, rounds }: Tools): Promise<Comparison> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query(PLAIN_TABLE);
  const sealing = await child('seal-backlog', { env });
  const measured = {
    async run(ms: number) {
      await client.query(WRITE_EVENTS);
      return sealing.run(ms);
    },
  };
  const yardstick = {
    async run() {
      await client.query('TRUNCATE bench_leaves');
      return { ...(await timed(EVENTS, () => client.query(WRITE_PLAIN))), cpuMs: 0 };
    },
  };
  const about = {
    name: 'sealing',
    unit: 'sealed audit events of twenty tenants,',
    yardstickName: 'rows like those of audit_leaves, written by one INSERT … SELECT',
    aim: 0,
  };
  const comparison = await compare(about, { measured, yardstick }, { rounds, ms: 0, warmUpMs: 1 });
  await sealing.stop();
  await client.query('DROP TABLE bench_leaves');
  await client.end();
  return comparison;
}

async function compareRefresh(tools: Tools, refreshTokens: string[]): Promise<Comparison> {
  const server = await tools.child('serve-sealing', { env: tools.env });
  const half = refreshTokens.length >> 1;
  const [on, off] = await Promise.all(
    [refreshTokens.slice(0, half), refreshTokens.slice(half)].map((tokens) =>
      tools.load(server.ready as number, { kind: 'refresh', refreshTokens: tokens }),
    ),
  );
  if (!on || !off) throw new Error('a load generator is missing');
  const comparison = await compare(
    { name: 'refresh while sealing', unit: '', yardstickName: '', aim: 0.95 },
    {
      measured: {
        async run(ms) {
          const [phase] = await Promise.all([on.run(ms), server.run(ms)]);
          return phase;
        },
      },
      yardstick: {
        async run(ms) {
          const phase = await off.run(ms);
          // Seals the events of this phase, so that the next phase need not.
          await server.run(0);
          return phase;
        },
      },
    },
    { rounds: tools.rounds, ms: 4000, warmUpMs: 2000 },
  );
  await Promise.all([on.stop(), off.stop(), server.stop()]);
  return comparison;
}

const rounded = (value: number) => Math.round(value).toLocaleString('en');

function formatSealing(comparison: Comparison): string {
  const rates = comparison.rounds.map(({ measured }) => rate(measured));
  const cpu = median(
    comparison.rounds.map(({ measured }) => (measured.cpuMs / measured.done) * 1000),
  );
  const floor = median(comparison.rounds.map(({ yardstick }) => rate(yardstick)));
  const met = median(rates) >= 20_000 ? 'met' : 'missed';
  return (
    `  events sealed: ${rounded(median(rates))} a second (${rounded(Math.min(...rates))} to ${rounded(Math.max(...rates))}),` +
    ` ${cpu.toFixed(1)} µs of the sealer's processor time each; aim >= 20,000: ${met}\n` +
    `  a bare INSERT … SELECT writes ${rounded(floor)} rows a second: ratio ${median(ratios(comparison)).toFixed(2)}`
  );
}

function formatRefresh(comparison: Comparison): string {
  const all = ratios(comparison);
  const [with_, without] = (['measured', 'yardstick'] as const).map((side) =>
    rounded(median(comparison.rounds.map((round) => rate(round[side])))),
  );
  const met = median(all) >= comparison.aim ? 'met' : 'missed';
  return `  refreshes: ${with_} a second with sealing, ${without} without; ratio ${median(all).toFixed(2)} (${Math.min(...all).toFixed(2)} to ${Math.max(...all).toFixed(2)}); aim >= 0.95: ${met}`;
}

/** Seals all events in the database, so that no later phase has to. */
export async function sealSeed(env: Record<string, string>): Promise<void> {
  const deps = open(env);
  await deps.sealer.sealNow(TEN_MINUTES);
  await deps.close();
}

/**
 * Measures how fast events are sealed, and how much that slows down the requests that write them.
 */
export async function measureSealing(tools: Tools, refreshTokens: string[]): Promise<string> {
  const sealing = await compareSealing(tools);
  const refresh = await compareRefresh(tools, refreshTokens);
  return `\nSealing:\n${formatSealing(sealing)}\n${formatRefresh(refresh)}\n`;
}
