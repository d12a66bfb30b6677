import { AppError } from '../errors';

/** Each holds a connection and a processor for as long as it lasts. */
const MAX_RUNNING = 2;
const RETRY_AFTER_SEC = 30;

let running = 0;

/**
 * Takes one of the process's few places for an export; one connection of the pool always stays for others.
 * @returns how to give the place back, to be called once
 * @throws AppError EXPORT_BUSY with Retry-After
 */
export function takeExportSlot(databasePoolSize: number): () => void {
  if (running >= Math.min(MAX_RUNNING, databasePoolSize - 1)) {
    throw new AppError('EXPORT_BUSY', {
      detail: 'Wait for a running export to end.',
      headers: { 'retry-after': String(RETRY_AFTER_SEC) },
    });
  }
  running += 1;
  return () => {
    running -= 1;
  };
}
