import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'pg';
import { createAccessTokens } from '../server/auth';
import type { ReadyConfig } from '../server/config';
import { freePort } from '../server/embedded/freePort';
import { createKeyRing } from '../server/keyRing';
import type { Child, Job, Phase } from './child';
import { startGatehouse } from './gatehouse';
import type { Gatehouse } from './gatehouse';
import { loadGuard, openAsker } from './guardCost';

/** The bound of the guard, in milliseconds. */
const BOUND_MS = 1000;

interface Session {
  sessionId: string;
  token: string;
}

export interface RevocationSetup {
  url: string;
  serviceKey: string;
  databaseUrl: string;
  sessions: Session[];
  perSecond: number;
  /**
   * Each session is ended once, and the guard knows it before. Otherwise a session lives again after
   * its refusal, which is a second change and a second question.
   */
  once?: boolean;
}

/** The result of a run: the times from the commit of a revocation until the guard refused. */
interface Refusals extends Phase {
  max: number;
  /** Decisions that began later than the bound after the commit, and admitted the request. */
  late: number;
  /** Refusals with 503, because the guard could not know. */
  unknown: number;
}

const quantile = (sorted: Float64Array, part: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;

/** Ends sessions in the database at a steady rate, and asks a guard about each until it refuses. */
export async function revokeAndAsk(setup: RevocationSetup): Promise<Job> {
  const { databaseUrl, perSecond } = setup;
  const createGuard = await loadGuard();
  const guard = createGuard(setup);
  const pool = new Pool({ connectionString: databaseUrl, max: 16 });
  pool.on('error', () => undefined);
  const idle = [...setup.sessions];
  const learned = new Set<Session>();
  const set = (sessionId: string, at: string) =>
    pool.query(`UPDATE user_sessions SET revoked_at = ${at} WHERE id = $1`, [sessionId]);

  /** Lets the guard learn the sessions of a run, before it is measured. */
  async function learn(count: number): Promise<void> {
    for (let at = 0; at < count; at += 50) {
      const some = idle.slice(at, Math.min(count, at + 50));
      await Promise.all(some.map(({ token }) => guard.decide(`Bearer ${token}`)));
      for (const session of some) learned.add(session);
    }
  }

  async function run(ms: number): Promise<Omit<Refusals, 'cpuMs'>> {
    if (setup.once) await learn(Math.ceil((ms / 1000) * perSecond));
    const times: number[] = [];
    let [late, unknown] = [0, 0];

    /** @returns whether the session was refused in the end */
    async function cycle(session: Session): Promise<void> {
      const { sessionId, token } = session;
      const ask = () => guard.decide(`Bearer ${token}`);
      if (!learned.has(session) && !(await ask()).allowed) return;
      await set(sessionId, 'clock_timestamp()');
      const committedAt = performance.now();
      for (;;) {
        const beganAt = performance.now();
        const decision = await ask();
        if (!decision.allowed) {
          if (decision.refusal.status === 503) unknown += 1;
          times.push(performance.now() - committedAt);
          break;
        }
        if (beganAt - committedAt > BOUND_MS) late += 1;
        await delay(5);
      }
      if (!setup.once) await set(sessionId, 'NULL');
    }

    const running = new Set<Promise<void>>();
    const began = performance.now();
    for (let turn = 0; performance.now() - began < ms; turn += 1) {
      const session = idle.shift();
      if (session) {
        const work = cycle(session)
          .catch(() => undefined)
          .finally(() => {
            if (!setup.once) idle.push(session);
            running.delete(work);
          });
        running.add(work);
      }
      await delay(Math.max(0, began + ((turn + 1) * 1000) / perSecond - performance.now()));
    }
    await Promise.all(running);
    const seconds = (performance.now() - began) / 1000;
    const sorted = Float64Array.from(times).sort();
    const [p50, p99, max] = [0.5, 0.99, 1].map((part) => quantile(sorted, part));
    return {
      done: times.length,
      seconds,
      p50: p50 ?? 0,
      p99: p99 ?? 0,
      max: max ?? 0,
      late,
      unknown,
    };
  }
  return { run };
}

/** Adds sessions to the database, and issues tokens for them that outlive the measurement. */
async function makeSessions(config: ReadyConfig, count: number): Promise<Session[]> {
  const keys = createKeyRing(config.secrets);
  const clock = { now: () => new Date() };
  const random = { bytes: randomBytes, id: randomUUID };
  const tokens = createAccessTokens({ ...config, accessTokenTtlSec: 3600 }, keys, clock, random);
  const pool = new Pool({ connectionString: config.databaseUrl, max: 1 });
  const { rows } = await pool.query<
    Record<'id' | 'user_id' | 'tenant_id', string> & { sv: number }
  >(
    `WITH made AS (
       INSERT INTO user_sessions (id, tenant_id, user_id, staff_id, session_version, expires_at)
       SELECT gen_random_uuid(), st.tenant_id, st.user_id, st.id, st.session_version, now() + interval '1 day'
       FROM (SELECT * FROM tenant_staff LIMIT 500) st CROSS JOIN generate_series(1, $1 / 500 + 1) LIMIT $1
       RETURNING *)
     SELECT id, user_id, tenant_id, session_version AS sv FROM made`,
    [count],
  );
  await pool.end();
  return rows.map(({ id, user_id: userId, tenant_id: tenantId, sv: sessionVersion }) => ({
    sessionId: id,
    token: tokens.issue({ userId, tenantId, sid: id, sessionVersion, degraded: false }).accessToken,
  }));
}

/** Forwards connections to one of several ports, as a load balancer does. */
async function openBalancer(ports: () => readonly number[]) {
  let turn = 0;
  const server = createServer((socket) => {
    const open = ports();
    const target = connect(open[(turn += 1) % open.length] ?? 1, '127.0.0.1');
    for (const [from, to] of [
      [socket, target],
      [target, socket],
    ] as const) {
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
      from.pipe(to);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, close: () => void server.close() };
}

interface Tools {
  config: ReadyConfig;
  env: Record<string, string>;
  gatehouse: Gatehouse;
  child: (role: string, setup: object) => Promise<Child>;
}

const PER_SECOND = 500;
const RESTART_EVERY_MS = 15_000;

/**
 * Measures the time from the commit of a revocation until a guard refuses. In a storm two nodes stand
 * behind a balancer, and one after the other is killed and started again.
 * @param stormSec how long the storm takes, in seconds; 0 for none
 */
export async function measureRevocations(tools: Tools, stormSec: number): Promise<string> {
  const { config, gatehouse, child } = tools;
  const serviceKey = await openAsker(config);
  const about = { serviceKey, databaseUrl: config.databaseUrl, perSecond: PER_SECOND };
  const url = `http://127.0.0.1:${gatehouse.port}`;
  const [warmMs, calmMs] = [3000, 10_000];
  const sessions = await makeSessions(config, ((warmMs + calmMs) * PER_SECOND) / 1000);
  const calm = await child('revoke-and-ask', { ...about, sessions, url, once: true });
  await calm.run(warmMs);
  const quiet = (await calm.run(calmMs)) as Refusals;
  await calm.stop();
  const lines = [describe('calm', quiet)];
  if (stormSec > 0) {
    const again = { ...about, sessions: await makeSessions(config, 2000) };
    lines.push(describe('storm', await storm(tools, again, stormSec * 1000)));
  }
  const met = quiet.p99 <= 100 ? 'met' : 'missed';
  return `\nFrom the commit of a revocation to the guard's refusal:\n${lines.join('\n')}\nAim: p99 <= 100 ms (calm): ${met}. Bound: no decision later than ${BOUND_MS} ms admits (late = 0).\n`;

  function describe(name: string, found: Refusals): string {
    const { done, seconds, p50, p99, max, late, unknown } = found;
    const figures = [p50, p99, max].map((value) => `${value.toFixed(1)} ms`);
    const [mid, high, most] = figures;
    return `  ${name}: ${done} revocations in ${seconds.toFixed(0)} s (${(done / seconds).toFixed(0)}/s); p50 ${mid}, p99 ${high}, max ${most}; late ${late}; answered 503 ${unknown}`;
  }

  async function storm(
    { env: settings }: Pick<Tools, 'env'>,
    about: Omit<RevocationSetup, 'url'>,
    ms: number,
  ): Promise<Refusals> {
    const nodes = new Map<number, Gatehouse>();
    const start = async (port: number) => {
      nodes.set(port, await startGatehouse({ ...settings, PORT: String(port) }, []));
    };
    const [one, two] = [await freePort(), await freePort()];
    await Promise.all([start(one), start(two)]);
    const balancer = await openBalancer(() => [...nodes.keys()]);
    const guard = await child('revoke-and-ask', { ...about, url: balancer.url });
    const until = performance.now() + ms;
    const restarts = (async () => {
      for (let port = one; performance.now() < until; port = port === one ? two : one) {
        await delay(RESTART_EVERY_MS);
        const node = nodes.get(port);
        nodes.delete(port);
        node?.kill();
        await start(port);
      }
    })();
    const found = (await guard.run(ms)) as Refusals;
    await restarts;
    await guard.stop();
    balancer.close();
    await Promise.all([...nodes.values()].map((node) => node.stop()));
    return found;
  }
}
