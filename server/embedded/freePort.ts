import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';

/**
 * Asks the system for a port of 127.0.0.1 that is free now. Another process can take it a moment
 * later.
 * @returns the port
 */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
