import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs';
import path from 'node:path';

/** The file that receives the output of initdb and of the server. */
export interface ServerLog {
  descriptor: number;
  /** Returns the present end of the file. */
  mark(): number;
  /** Returns the last `count` lines that were printed since a mark, as one sentence. */
  lastLines(mark: number, count?: number): string;
  close(): void;
}

/**
 * The whole environment of the server: the environment of this process may hold secrets, so none of
 * it is passed on.
 */
export const childEnvironment = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

const sizeLimit = 8 * 1024 * 1024;
const tail = 16 * 1024;
const timeAndPid = /^[-0-9]+ [:.0-9]+ UTC \[\d+\] /;

/** Opens the server's log, and empties it if it has grown large. @param dataDir the data folder */
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
