import type { Readable, Writable } from 'node:stream';

/** The environment and streams of a program. `process` is one; a test passes its own. */
export interface Invocation {
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: Readable & { isTTY?: boolean };
  readonly stdout: Writable;
  readonly stderr: Writable & { isTTY?: boolean };
  /** The folder whose `.env` is read. */
  cwd(): string;
}
