import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { hash } from 'argon2';
import { Client } from 'pg';
import { loadConfig, requireReady } from '../server/config';
import type { ReadyConfig } from '../server/config';
import { createApp } from '../server/createApp';
import { connect, runPrepared } from '../server/db';
import { createDeps } from '../server/deps';
import type { Deps } from '../server/deps';
import { factsKey, readRiskFacts } from '../server/security/risk/riskFactsStore';
import type { Child, Job } from './child';
import { closedLoop } from './closedLoop';
import { median } from './compare';
import type { Scenario } from './httpLoad';
import { fillHistory } from './fillHistory';

export interface ServeSetup {
  env: Record<string, string>;
  scored: boolean;
}

/**
 * With a hash of production's cost, which takes 150 ms give or take ten, one millisecond could not
 * be measured.
 */
const CHEAP = { memoryKib: 1024, timeCost: 1 };

/**
 * Replaces the facts by empty ones and keeps no decisions. This is what a server costs that does
 * not score.
 */
function withoutScoring(deps: Deps): Deps {
  const forget = () => undefined;
  const nothing = {
    deviceHashes: new Set<string>(),
    countries: new Map<string, number>(),
    networks: new Map<string, number>(),
    hours: [],
    lastLoginAt: null,
    sessions: [],
  };
  const read = () => Promise.resolve(nothing);
  const done = () => Promise.resolve();
  return {
    ...deps,
    riskFacts: { read, forget, forgetAll: forget },
    riskDecisions: { note: forget, keep: done, flush: done },
  };
}

/** Runs the whole application in this process, with the scorer or without. */
export async function serve({ env, scored }: ServeSetup): Promise<Job> {
  const config = { ...requireReady(loadConfig({ ...env, LOG_LEVEL: 'error' })), argon2: CHEAP };
  const deps = createDeps(config);
  if (scored) deps.broadcast.start();
  const server = createServer(createApp(scored ? deps : withoutScoring(deps))).listen(
    0,
    '127.0.0.1',
  );
  await once(server, 'listening');
  return { ready: (server.address() as AddressInfo).port };
}

export interface LookUpSetup {
  databaseUrl: string;
  people: [tenantId: string, staffId: string][];
}

/** Reads one history after another, each of another person, bypassing every cache. */
export function lookUp({ databaseUrl, people }: LookUpSetup): Job {
  const { pool } = connect({ url: databaseUrl, poolSize: 1, statementTimeoutMs: 15_000 });
  let turn = 0;
  return {
    run: (ms) =>
      closedLoop(ms, 1, async () => {
        const [tenantId, staffId] = people[turn++ % people.length] ?? ['', ''];
        await readRiskFacts(
          (statement, values) => runPrepared(pool, statement, values),
          [factsKey(tenantId, staffId)],
        );
      }),
  };
}

interface Tools {
  config: ReadyConfig;
  env: Record<string, string>;
  child: (role: string, setup: object) => Promise<Child>;
  load: (port: number, scenario: Scenario, connections: number) => Promise<Child>;
  rounds: number;
}

/**
 * @returns the median p50 with scoring over the rounds, and for each round the difference to the
 *   p50 without it, in milliseconds
 */
async function compareMedians(tools: Tools, ms: number, make: (scored: boolean) => Scenario) {
  const servers = await Promise.all(
    [true, false].map((scored) => tools.child('serve', { env: tools.env, scored })),
  );
  const loads: Child[] = [];
  for (const [at, server] of servers.entries()) {
    loads.push(await tools.load(server.ready as number, make(at === 0), 1));
  }
  for (const load of loads) await load.run(ms);
  const added: number[] = [];
  const scored: number[] = [];
  for (let round = 0; round < tools.rounds; round += 1) {
    const order = round % 2 === 0 ? [0, 1] : [1, 0];
    const p50 = [0, 0];
    for (const at of order) p50[at] = (await loads[at]?.run(ms))?.p50 ?? Number.NaN;
    scored.push(p50[0] ?? Number.NaN);
    added.push((p50[0] ?? Number.NaN) - (p50[1] ?? Number.NaN));
  }
  await Promise.all([...loads, ...servers].map((one) => one.stop()));
  return { scored: median(scored), added };
}

const ms = (value: number) => `${value.toFixed(2)} ms`;

function formatScoring(
  name: string,
  { scored, added }: { scored: number; added: number[] },
): string {
  const [least, most] = [Math.min(...added), Math.max(...added)];
  const verdict = median(added) <= 1 ? 'met' : 'missed';
  return `  ${name}: p50 ${ms(scored)}, of which scoring takes ${ms(median(added))} (${ms(least)} to ${ms(most)}); aim <= 1 ms: ${verdict}`;
}

async function lookUpMedian(tools: Tools, people: LookUpSetup['people']): Promise<number> {
  const { databaseUrl } = tools.config;
  const reader = await tools.child('look-up', { databaseUrl, people });
  await reader.run(1500);
  const medians: number[] = [];
  for (let round = 0; round < tools.rounds; round += 1) {
    medians.push((await reader.run(800)).p50);
  }
  await reader.stop();
  return median(medians);
}

async function cheapen(databaseUrl: string, emails: string[], password: string): Promise<void> {
  const { memoryKib: memoryCost, timeCost } = CHEAP;
  const cheap = await hash(password, { memoryCost, timeCost, parallelism: 1 });
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query('UPDATE users SET password_hash = $1 WHERE email = ANY ($2)', [cheap, emails]);
  await client.end();
}

/** Measures how long it takes to read the facts of one person, among few rows and among many. */
async function compareHistories(tools: Tools, rows: number): Promise<string> {
  const client = new Client({ connectionString: tools.config.databaseUrl });
  await client.connect();
  try {
    const few = await lookUpMedian(tools, await fillHistory(client, 10_000));
    const many = await lookUpMedian(tools, await fillHistory(client, rows - 10_000));
    const ratio = many / few;
    const verdict = ratio <= 1.2 ? 'met' : 'missed';
    return `  reading a history: p50 ${ms(few)} with 10,000 rows, ${ms(many)} with ${rows.toLocaleString('en')}; ratio ${ratio.toFixed(2)}; aim <= 1.2: ${verdict}`;
  } finally {
    await client.end();
  }
}

/**
 * Measures the time that scoring adds to a warm login and refresh, one request at a time, and how
 * its look-up grows with the history.
 * @param work refresh tokens for both servers, and people to sign in
 * @param rows the rows of history at the end
 */
export async function measureScoring(
  tools: Tools,
  work: { refreshTokens: string[]; emails: string[]; password: string },
  rows: number,
): Promise<string> {
  const { refreshTokens, emails, password } = work;
  await cheapen(tools.config.databaseUrl, emails, password);
  // There are so few that the caches already hold them all after the warm-up.
  const refresh = await compareMedians(tools, 1500, (scored) => ({
    kind: 'refresh',
    refreshTokens: refreshTokens.slice(scored ? 0 : 200, scored ? 200 : 400),
  }));
  const login = await compareMedians(tools, 1500, (scored) => ({
    kind: 'login',
    emails: emails.slice(scored ? 0 : 200, scored ? 200 : 400),
    password,
  }));
  const history = await compareHistories(tools, rows);
  const lines = [formatScoring('refresh', refresh), formatScoring('login', login), history];
  return `\nScoring, one request at a time:\n${lines.join('\n')}\n`;
}
