import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../server/embedded/freePort';
import type { Secrets } from '../server/config';
import { track } from './child';
import { callOnce } from './httpClient';

const ROOT = join(__dirname, '..');
const METRICS_TOKEN = 'bench';
const START_MS = 15_000;

/** The measured server: the compiled one, in a process of its own, as in production. */
export interface Gatehouse {
  port: number;
  /**
   * Returns the processor time that the process has used so far, in milliseconds, from its own
   * metrics.
   */
  cpuMs(): Promise<number>;
  /**
   * Returns the most memory that the process has used so far, in megabytes; undefined if the system
   * does not tell.
   */
  peakMemoryMb(): number | undefined;
  stop(): Promise<void>;
  /** Kills it, as a crash of the machine would. */
  kill(): void;
}

/** Returns the arguments that `npm start` passes to node. */
function startArgs(): string[] {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: { start: string };
  };
  return /^exec node (.*)dist\//.exec(scripts.start)?.[1]?.split(' ').filter(Boolean) ?? [];
}

/** Returns the settings of a typical deployment, with a port that is free now. */
export async function productionSettings(databaseUrl: string, secrets: Secrets) {
  return {
    NODE_ENV: 'production',
    LOG_LEVEL: 'info',
    HOST: '127.0.0.1',
    PORT: String(await freePort()),
    DATABASE_URL: databaseUrl,
    METRICS_TOKEN,
    // The owner fills the database, and serves it.
    ALLOW_OWNER_ROLE: '1',
    // On, but never reached: one machine sends what many callers would.
    RATE_LIMIT_PER_ADDRESS: '1000000',
    RATE_LIMIT_PER_ACCOUNT: '1000000',
    RATE_LIMIT_PER_TENANT: '1000000',
    RATE_LIMIT_PER_REPORTING_KEY: '1000000',
    RATE_LIMIT_PER_INTROSPECTING_KEY: '1000000',
    JWT_SIGNING_KEY: secrets.jwtSigningKey,
    TOKEN_HASH_KEY: secrets.tokenHashKey,
    ENCRYPTION_KEY: secrets.encryptionKey,
    EVIDENCE_SIGNING_KEY: secrets.evidenceSigningKey,
  };
}

async function isReady(port: number): Promise<boolean> {
  try {
    const { status } = await callOnce(port, { method: 'GET', path: '/health/ready' });
    return status === 200;
  } catch {
    return false;
  }
}

/**
 * Starts the compiled server and waits until it is ready. Its log goes to /dev/null, so that it is
 * written, but no process has to read it.
 * @param nodeArgs arguments for node itself, such as `--cpu-prof`
 */
export async function startGatehouse(
  env: Record<string, string>,
  nodeArgs: string[],
): Promise<Gatehouse> {
  const entry = join(ROOT, 'dist', 'server', 'index.js');
  const child = spawn(process.execPath, [...startArgs(), ...nodeArgs, entry], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  track(child);
  const port = Number(env['PORT']);
  for (const deadline = Date.now() + START_MS; !(await isReady(port)); await delay(50)) {
    if (child.exitCode !== null) throw new Error('the server did not start');
    if (Date.now() > deadline) throw new Error('the server was not ready in time');
  }
  return {
    port,
    async cpuMs() {
      const headers = { authorization: `Bearer ${METRICS_TOKEN}` };
      const { body } = await callOnce(port, { method: 'GET', path: '/metrics', headers });
      const seconds = /^process_cpu_seconds_total ([\d.e+-]+)/m.exec(body)?.[1];
      if (seconds === undefined) throw new Error(`the metrics contain no processor time:\n${body}`);
      return Number(seconds) * 1000;
    },
    peakMemoryMb() {
      try {
        const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
        const kilobytes = /^VmHWM:\s+(\d+) kB/m.exec(status)?.[1];
        return kilobytes === undefined ? undefined : Math.round(Number(kilobytes) / 1024);
      } catch {
        return undefined;
      }
    },
    kill: () => void child.kill('SIGKILL'),
    async stop() {
      if (child.exitCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}
