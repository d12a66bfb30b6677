import { closeSharedDb } from '@/server/db';
import type { Deps } from '@/server/deps';

const closers: (() => Promise<unknown>)[] = [];

/** Registers something to close when the test file is done. */
export function closeLater(close: () => Promise<unknown>): void {
  closers.push(close);
}

/**
 * Closes the application of this test file, if the file has loaded it, so that its pending writes
 * are finished.
 */
async function closeShared(): Promise<void> {
  const loaded = Object.keys(require.cache).some((path) => path.endsWith('/server/app.ts'));
  if (!loaded) return;
  const { deps } = jest.requireActual<{ deps: Deps }>('@/server/app');
  await deps.close();
}

export async function closeAll(): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close();
  await closeShared();
  await closeSharedDb();
}
