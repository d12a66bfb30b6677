import { rmSync } from 'node:fs';
import { dropTestDatabases } from '../database/testDatabase';

export default async function globalTeardown(): Promise<void> {
  if (globalThis.gatehouseTestServer) await globalThis.gatehouseTestServer.stop();
  else await dropTestDatabases();
  const folder = process.env['GATEHOUSE_TEST_DIR'];
  if (folder) rmSync(folder, { recursive: true, force: true });
}
