import { WAITS_FOR_LOCK, ask, withConnection } from '@/tests/helpers/database/askDatabase';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { openRaw } from '@/tests/helpers/http/rawConnection';
import { externalEnv, killServers, startServer } from '@/tests/helpers/server/serverProcess';
import type { ServerProcess } from '@/tests/helpers/server/serverProcess';
import { SEEDED_EMAIL, SEEDED_PASSWORD } from '@/tests/helpers/testRun/seedTemplate';

afterEach(killServers);

const TOKEN = 'the-operators-token';
const databaseUrl = () => process.env['DATABASE_URL'] ?? '';
/** Longer than any test, so that only a second signal ends it. */
const LONG = { DRAIN_DELAY_SEC: '300' };

async function start(env: NodeJS.ProcessEnv) {
  const server = startServer({ ...externalEnv(), METRICS_TOKEN: TOKEN, ...env });
  const url = await server.url();
  return { server, url, port: Number(new URL(url).port) };
}

const ready = async (url: string) => {
  const res = await fetch(`${url}/health/ready`, { headers: { authorization: `Bearer ${TOKEN}` } });
  return { status: res.status, body: (await res.json()) as { checks: Record<string, unknown> } };
};

const untilNotReady = (url: string) =>
  pollUntil(
    'readiness is false',
    () => ready(url),
    ({ status }) => status === 503,
  );

const untilRefused = (port: number) =>
  pollUntil(
    'new connections are refused',
    () =>
      openRaw(port).then(
        ({ socket }) => String(socket.destroy().destroyed),
        (error: NodeJS.ErrnoException) => error.code,
      ),
    (outcome) => outcome === 'ECONNREFUSED',
  );

const PING = 'GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n';
const STOPPING = 'stopping';
const NO_MORE = 'accepting no new requests';
const CUT_OFF = 'cutting off requests that take too long';

const linesOf = (server: ServerProcess) =>
  server
    .stdout()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { msg: string; time: string });

/**
 * Runs work during a login that waits for a lock.
 * @param work receives a function that sends another login on the same connection, and waits until
 *   that one waits too
 * @returns the answers to the logins
 */
async function duringLogin(
  port: number,
  work: (sendAnother: () => Promise<void>) => Promise<void>,
): Promise<string> {
  const body = JSON.stringify({ email: SEEDED_EMAIL, password: SEEDED_PASSWORD });
  const head = `POST /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`;
  const login = await openRaw(port);
  await withConnection(databaseUrl(), async (holder) => {
    await holder.query('BEGIN; LOCK TABLE user_sessions IN EXCLUSIVE MODE');
    let sent = 0;
    const send = async () => {
      sent += 1;
      login.send(`${head}\r\n\r\n${body}`);
      await pollUntil(
        'the login waits',
        () => ask(databaseUrl(), WAITS_FOR_LOCK),
        (rows) => rows.length >= sent,
      );
    };
    await send();
    await work(send);
    expect(login.said()).toBe('');
    await holder.query('COMMIT');
  });
  return login.closed();
}

describe('after SIGTERM, for DRAIN_DELAY_SEC', () => {
  it('readiness is false and says why, while the node is alive and serves', async () => {
    const { server, url } = await start(LONG);
    expect((await ready(url)).body.checks['process']).toEqual({ ok: true });
    server.signal('SIGTERM');
    const { body } = await untilNotReady(url);
    expect(body).toMatchObject({
      status: 'not_ready',
      checks: { process: { ok: false, reason: 'The node is stopping.' }, database: { ok: true } },
    });
    expect((await fetch(`${url}/health/ready`)).status).toBe(503);
    expect((await fetch(`${url}/health/live`)).status).toBe(200);
    const signIn = await fetch(`${url}/api/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: SEEDED_EMAIL, password: SEEDED_PASSWORD }),
    });
    expect(signIn.status).toBe(200);
    expect(server.hasExited()).toBe(false);
  });

  it('each answer ends its connection: on new ones, kept ones, and to requests from before', async () => {
    const { server, url, port } = await start(LONG);
    const kept = await openRaw(port);
    kept.send(PING);
    await kept.hears(/"live"/);
    expect(kept.said()).toMatch(/\r\nConnection: keep-alive\r\n/);
    const answer = await duringLogin(port, async () => {
      server.signal('SIGTERM');
      await untilNotReady(url);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).toMatch(/\r\nconnection: close\r\n/i);
    kept.send(PING);
    expect((await kept.closed()).match(/connection: (keep-alive|close)/gi)).toEqual([
      'Connection: keep-alive',
      'connection: close',
    ]);
    const fresh = await openRaw(port);
    fresh.send('GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n');
    expect(await fresh.closed()).toMatch(/^HTTP\/1\.1 404 [^]*\r\nconnection: close\r\n/i);
    expect(server.hasExited()).toBe(false);
  });

  it('each request that a connection carries already is answered, and the last answer ends it', async () => {
    const { server, url, port } = await start(LONG);
    const said = await duringLogin(port, async (sendAnother) => {
      await sendAnother();
      server.signal('SIGTERM');
      await untilNotReady(url);
      await sendAnother();
    });
    expect(said.match(/HTTP\/1\.1 \d{3}|connection: close/gi)).toEqual([
      'HTTP/1.1 200',
      'HTTP/1.1 200',
      'HTTP/1.1 200',
      'connection: close',
    ]);
  });

  it('a second signal ends the delay: idle connections close, a request under way is finished, and it exits with 0', async () => {
    const { server, url, port } = await start(LONG);
    const [idle, unused] = [await openRaw(port), await openRaw(port)];
    idle.send(PING);
    await idle.hears(/"live"/);
    const answer = await duringLogin(port, async () => {
      server.signal('SIGTERM');
      await untilNotReady(url);
      expect([idle.socket.closed, unused.socket.closed]).toEqual([false, false]);
      server.signal('SIGTERM');
      await untilRefused(port);
      await Promise.all([idle.closed(), unused.closed()]);
      expect(server.hasExited()).toBe(false);
      // A third signal changes nothing.
      server.signal('SIGINT');
    });
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(await server.exited).toBe(0);
    expect(server.stderr()).toBe('');
    expect(linesOf(server).map(({ msg }) => msg)).not.toContain(CUT_OFF);
  });

  it('the node accepts requests for that long, and exits by itself', async () => {
    const { server } = await start({ DRAIN_DELAY_SEC: '1' });
    server.signal('SIGTERM');
    expect(await server.exited).toBe(0);
    const told = linesOf(server).filter(({ msg }) => msg === STOPPING || msg === NO_MORE);
    expect(told.map(({ msg }) => msg)).toEqual([STOPPING, NO_MORE]);
    const [from = 0, to = 0] = told.map(({ time }) => Date.parse(time));
    // The node's clock rounds.
    expect(to - from).toBeGreaterThanOrEqual(990);
  });

  it('a connection that was never used does not hold up the end', async () => {
    const { server, port } = await start({ DRAIN_DELAY_SEC: '0' });
    const unused = await openRaw(port);
    server.signal('SIGTERM');
    expect(await unused.closed()).toBe('');
    expect(await server.exited).toBe(0);
    expect(linesOf(server).map(({ msg }) => msg)).not.toContain(CUT_OFF);
  });

  it('a connection that carried a line break and no request does not either', async () => {
    const { server, port } = await start({ DRAIN_DELAY_SEC: '0' });
    const [silent, asking] = [await openRaw(port), await openRaw(port)];
    silent.send('\r\n');
    asking.send(PING);
    await asking.hears(/"live"/);
    server.signal('SIGTERM');
    expect(await silent.closed()).toBe('');
    expect(await server.exited).toBe(0);
    expect(linesOf(server).map(({ msg }) => msg)).not.toContain(CUT_OFF);
  });
});
