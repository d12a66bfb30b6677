import { closeSharedDb } from '@/server/db';

const closers: (() => Promise<unknown>)[] = [];

/** Has something closed when the test file is done. */
export function closeLater(close: () => Promise<unknown>): void {
  closers.push(close);
}

export async function closeAll(): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close();
  await closeSharedDb();
}
