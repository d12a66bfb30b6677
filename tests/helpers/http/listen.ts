import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Express } from 'express';
import { closeLater } from '../server/closing';

/**
 * Makes an application listen on a free port until the test file is done.
 * @param app the application, or a function that makes one if it needs to know its port
 * @returns its origin
 */
export async function listen(app: Express | ((port: number) => Express)): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closeLater(
    () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  );
  const { port } = server.address() as AddressInfo;
  server.on('request', 'listen' in app ? app : app(port));
  return `http://127.0.0.1:${port}`;
}
