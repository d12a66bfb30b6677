import { Writable } from 'node:stream';
import { exitCodeOf, explainStart, startNode, stopNode } from '@/server/bootstrap/startNode';
import type { Running } from '@/server/bootstrap/startNode';
import { WORKING_FOLDER } from './serverProcess';

/**
 * A node in this process, with the start, the checks and the stop of `node dist/server/index.js`.
 */
export interface ServerInProcess {
  stdout(): string;
  stderr(): string;
  /** Returns its URL. Throws if it ends instead of listening. */
  url(): Promise<string>;
  /** Ends it as SIGTERM does. */
  stop(): void;
  /** The exit code. */
  exited: Promise<number>;
}

const started = new Set<ServerInProcess>();

/** Ends all servers that a test left running. Call it after each test. */
export async function stopServers(): Promise<void> {
  const left = [...started];
  for (const server of left) server.stop();
  await Promise.all(left.map(({ exited }) => exited));
}

/**
 * Starts a node with only these settings, on a free port unless PORT is given. Its log goes to this
 * process's stdout. To test the log, use {@link startServer}.
 */
export function startInProcess(env: NodeJS.ProcessEnv): ServerInProcess {
  const running: Running = {};
  const said = { stdout: '', stderr: '' };
  const stdout = new Writable({
    decodeStrings: false,
    write(chunk: string, _encoding, done) {
      said.stdout += chunk;
      done();
    },
  });
  const program = {
    env: { PORT: '0', LOG_LEVEL: 'silent', ...env },
    cwd: () => WORKING_FOLDER,
    stdout,
  };
  const begun = startNode(running, program).then(
    () => ({ code: 0, url: /Gatehouse listens on (\S+)\n/.exec(said.stdout)?.[1] ?? '' }),
    (error: unknown) => {
      said.stderr += `${explainStart(error)}\n`;
      return { code: exitCodeOf(error), url: undefined };
    },
  );
  let stop = () => undefined as void;
  const told = new Promise<void>((resolve) => (stop = resolve));
  const ended = begun.then(async ({ code, url }) => {
    if (url !== undefined) await told;
    await stopNode(running);
    return code;
  });
  const server: ServerInProcess = {
    stdout: () => said.stdout,
    stderr: () => said.stderr,
    stop: () => stop(),
    exited: ended.finally(() => started.delete(server)),
    url: async () => {
      const { url } = await begun;
      if (url === undefined) throw new Error(`the server ended: ${said.stderr}`);
      return url;
    },
  };
  started.add(server);
  return server;
}
