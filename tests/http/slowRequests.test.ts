import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createApp } from '@/server/createApp';
import { createHttpServer } from '@/server/http/httpServer';
import { closeLater } from '@/tests/helpers/server/closing';
import { openRaw } from '@/tests/helpers/http/rawConnection';
import type { RawConnection } from '@/tests/helpers/http/rawConnection';
import { buildApp } from '@/tests/helpers/server/testApp';

interface Limits {
  requestTimeoutSec: number;
  headersTimeoutSec: number;
  keepAliveTimeoutSec?: number;
}

/** Starts the server as the process does, with limits of one second. */
async function startSlowly(limits: Limits) {
  const { deps } = buildApp(limits);
  const { server } = createHttpServer(deps, createApp(deps));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closeLater(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return { server, port: (server.address() as AddressInfo).port };
}

/** Sends one byte at a time until the server disconnects. @returns everything that it sent */
async function drip({ send, closed }: RawConnection): Promise<string> {
  const dripping = setInterval(() => send('x'), 50);
  const said = await closed();
  clearInterval(dripping);
  return said;
}

const LOGIN = 'POST /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n';
const PING = 'GET /health/live HTTP/1.1\r\nhost: x\r\n';
const IMPATIENT = { requestTimeoutSec: 300, headersTimeoutSec: 1, keepAliveTimeoutSec: 3600 };

describe('a request that arrives a byte at a time', () => {
  it('has its body cut off after REQUEST_TIMEOUT_SEC with 408', async () => {
    const { port } = await startSlowly({ requestTimeoutSec: 1, headersTimeoutSec: 1 });
    const connection = await openRaw(port);
    connection.send(`${LOGIN}x-correlation-id: slow-1\r\ncontent-length: 60000\r\n\r\n{`);
    const said = await drip(connection);
    expect(said).toMatch(/^HTTP\/1\.1 408 /);
    expect(said).toMatch(/\r\nx-correlation-id: slow-1\r\n/);
    expect(said).toContain('"error":"REQUEST_TIMEOUT"');
  });

  it('has its headers cut off after HEADERS_TIMEOUT_SEC, though the request could take longer', async () => {
    const connection = await openRaw((await startSlowly(IMPATIENT)).port);
    connection.send(`${LOGIN}x-slow: `);
    expect(await drip(connection)).toMatch(/^HTTP\/1\.1 408 /);
  });

  it('is cut off as well on a connection that has served a request', async () => {
    const connection = await openRaw((await startSlowly(IMPATIENT)).port);
    connection.send(`${PING}\r\n`);
    await connection.hears(/"live"/);
    connection.send(`${LOGIN}x-slow: `);
    expect(await drip(connection)).toMatch(/^HTTP\/1\.1 200 [^]*HTTP\/1\.1 408 /);
  });

  it('is cut off as well on a connection that was open for long before', async () => {
    const { server, port } = await startSlowly(IMPATIENT);
    const connection = await openRaw(port);
    await once(server, 'clientError');
    connection.send(`${LOGIN}x-slow: `);
    expect(await drip(connection)).toMatch(/^HTTP\/1\.1 408 /);
  });
});

it('a connection that the server has accepted last can still ask when it stops', async () => {
  const { deps } = buildApp(IMPATIENT);
  const { server, close } = createHttpServer(deps, createApp(deps));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const connection = await openRaw((server.address() as AddressInfo).port);
  await accepted;
  const closed = close();
  connection.send(`${PING}connection: close\r\n\r\n`);
  expect(await connection.closed()).toMatch(/^HTTP\/1\.1 200 /);
  await closed;
});

describe('an idle connection', () => {
  /**
   * Waits for the limits by Node's own clock: once a slow neighbour was cut off, that much time has
   * passed.
   */
  async function outlive(port: number): Promise<void> {
    const slow = await openRaw(port);
    slow.send(`${LOGIN}x-slow: `);
    expect(await drip(slow)).toMatch(/^HTTP\/1\.1 408 /);
  }

  it('that has served a request takes the next one after more than HEADERS_TIMEOUT_SEC', async () => {
    const { port } = await startSlowly(IMPATIENT);
    const connection = await openRaw(port);
    connection.send(`${PING}\r\n`);
    await connection.hears(/"live"/);
    await outlive(port);
    connection.send(`${PING}connection: close\r\n\r\n`);
    expect((await connection.closed()).match(/HTTP\/1\.1 200 /g)).toHaveLength(2);
  });

  it('that was opened for later takes its first request after more than HEADERS_TIMEOUT_SEC', async () => {
    const { server, port } = await startSlowly(IMPATIENT);
    const connection = await openRaw(port);
    await once(server, 'clientError');
    connection.send(`${PING}connection: close\r\n\r\n`);
    expect(await connection.closed()).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('is told how long it may stay, and is closed after KEEP_ALIVE_TIMEOUT_SEC without a word', async () => {
    const { port } = await startSlowly({ ...IMPATIENT, keepAliveTimeoutSec: 1 });
    const [used, unused] = [await openRaw(port), await openRaw(port)];
    used.send(`${PING}\r\n`);
    const said = await used.closed();
    expect(said).toMatch(/\r\nKeep-Alive: timeout=1\r\n/);
    expect(said.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(await unused.closed()).toBe('');
  });

  it('that sends line breaks and no request is cut off too, whenever they come', async () => {
    const { server, port } = await startSlowly({ ...IMPATIENT, keepAliveTimeoutSec: 2 });
    const [early, late, used] = [await openRaw(port), await openRaw(port), await openRaw(port)];
    early.send('\r\n');
    used.send(`${PING}\r\n`);
    await used.hears(/"live"/);
    used.send('\r\n');
    await once(server, 'clientError');
    late.send('\r\n');
    expect(await early.closed()).toMatch(/^HTTP\/1\.1 408 /);
    expect(await late.closed()).toMatch(/^HTTP\/1\.1 408 /);
    expect((await used.closed()).match(/HTTP\/1\.1 /g)).toHaveLength(1);
  });
});
