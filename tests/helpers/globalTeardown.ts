import { rmSync } from 'node:fs';

export default async function globalTeardown(): Promise<void> {
  await globalThis.gatehouseTestServer?.stop();
  const folder = process.env['GATEHOUSE_TEST_DIR'];
  if (folder) rmSync(folder, { recursive: true, force: true });
}
