import { once } from 'node:events';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { createHttpServer } from '@/server/httpServer';
import { closeLater } from '@/tests/helpers/closing';
import { buildApp } from '@/tests/helpers/testApp';

/** Node's own server, as the process starts it, with limits of a second. */
async function startSlowly(settings: { requestTimeoutSec: number; headersTimeoutSec: number }) {
  const { deps } = buildApp(settings);
  const server = createHttpServer(deps);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closeLater(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return (server.address() as AddressInfo).port;
}

/** Sends the beginning at once and then a byte at a time, until the server hangs up. @returns what it said */
async function drip(port: number, beginning: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let said = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => (said += chunk));
  socket.on('error', () => undefined);
  socket.write(beginning);
  const dripping = setInterval(() => socket.write('x'), 50);
  await once(socket, 'close');
  clearInterval(dripping);
  return said;
}

const LOGIN = 'POST /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n';

describe('a request that arrives a byte at a time', () => {
  it('has its body cut off after REQUEST_TIMEOUT_SEC with 408', async () => {
    const port = await startSlowly({ requestTimeoutSec: 1, headersTimeoutSec: 1 });
    const said = await drip(port, `${LOGIN}content-length: 60000\r\n\r\n{`);
    expect(said).toMatch(/^HTTP\/1\.1 408 /);
  });

  it('has its headers cut off after HEADERS_TIMEOUT_SEC, though the request could take longer', async () => {
    const port = await startSlowly({ requestTimeoutSec: 300, headersTimeoutSec: 1 });
    const said = await drip(port, `${LOGIN}x-slow: `);
    expect(said).toMatch(/^HTTP\/1\.1 408 /);
  });
});
