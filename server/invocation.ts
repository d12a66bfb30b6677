import type { Readable, Writable } from 'node:stream';

/** The environment and streams that a program was called with. `process` is one; a test gives its own. */
export interface Invocation {
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: Readable & { isTTY?: boolean };
  readonly stdout: Writable;
  readonly stderr: Writable & { isTTY?: boolean };
  /** The folder whose `.env` counts. */
  cwd(): string;
}
