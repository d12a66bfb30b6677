import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs';
import path from 'node:path';

/** The file that takes what initdb and the server print. */
export interface ServerLog {
  descriptor: number;
  /** Remembers the present end of the file. */
  mark(): number;
  /** What was printed since a mark, the last `count` lines as one sentence. */
  lastLines(mark: number, count?: number): string;
  close(): void;
}

/** Nothing of our own environment, and no secrets with it, reaches the server. */
export const childEnvironment = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

const sizeLimit = 8 * 1024 * 1024;
const tail = 16 * 1024;
const timeAndPid = /^[-0-9]+ [:.0-9]+ UTC \[\d+\] /;

/**
 * Opens the server's log, emptied when it has grown large.
 * @param dataDir the data folder
 */
export function openServerLog(dataDir: string): ServerLog {
  const descriptor = openSync(path.join(dataDir, 'postgres.log'), 'a+', 0o600);
  if (fstatSync(descriptor).size > sizeLimit) ftruncateSync(descriptor);
  return {
    descriptor,
    mark: () => fstatSync(descriptor).size,
    lastLines(mark, count = 5) {
      const end = fstatSync(descriptor).size;
      const from = Math.max(mark, end - tail);
      const text = Buffer.alloc(Math.max(0, end - from));
      readSync(descriptor, text, 0, text.length, from);
      const lines = text.toString('utf8').trim().split('\n').slice(-count);
      return lines.map((line) => line.replace(timeAndPid, '')).join(' | ');
    },
    close: () => closeSync(descriptor),
  };
}
