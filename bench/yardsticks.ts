import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { verify } from 'argon2';
import express from 'express';
import { Client } from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { createKeyRing } from '../server/keyRing';
import type { Secrets } from '../server/config';
import { connect } from '../server/db';
import { uuidV7 } from '../server/db/ids';
import { hashRefreshToken, newRefreshToken } from '../server/auth/refreshTokenSecrets';
import { rotateToken } from '../server/auth/rotationStore';
import type { Job } from './child';
import { closedLoop } from './closedLoop';

/** The least work that an Express 5 application can do: one route with one small JSON answer. */
export async function bareExpress(): Promise<Job> {
  const app = express();
  app.get('/json', (_req, res) => {
    res.json({ hello: 'world' });
  });
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { ready: (server.address() as AddressInfo).port };
}

export interface RotationSetup {
  databaseUrl: string;
  poolSize: number;
  secrets: Secrets;
  refreshTokens: string[];
  connections: number;
  userAgent: string;
}

/**
 * Runs the server's own rotation statement directly on a pool like the server's, without HTTP,
 * score and JWT.
 */
export function rotateDirectly(setup: RotationSetup): Job {
  const { connections, refreshTokens: tokens, userAgent } = setup;
  const keys = createKeyRing(setup.secrets);
  const random = {
    bytes: randomBytes,
    id: () => uuidV7(Date.now(), randomBytes(16)),
  };
  const { pool } = connect({
    url: setup.databaseUrl,
    poolSize: setup.poolSize,
    statementTimeoutMs: 15_000,
  });
  let turn = 0;

  async function rotate(): Promise<void> {
    const at = turn++ % tokens.length;
    const successor = newRefreshToken(random);
    const input = {
      tokenHashes: [hashRefreshToken(keys, tokens[at] ?? '')],
      successorId: random.id(),
      successorHash: hashRefreshToken(keys, successor),
      keyId: keys.ids.tokenHash,
      now: new Date(),
      idleSec: 7 * 86_400,
      shortSec: 86_400 / 2,
      deviceInfo: userAgent,
      auditRow: {
        ...{ action: 'AUTH_TOKEN_REFRESH', outcome: 'success', on_behalf_of: null },
        ...{ ip: '127.0.0.1', country: null, user_agent: userAgent, correlation_id: random.id() },
        details: {},
      },
    };
    const rotated = await rotateToken(pool, 'normal', input, () => ({ kind: 'passes' }));
    if (!rotated) throw new Error('a token of the yardstick could not be rotated');
    tokens[at] = successor;
  }
  return { run: (ms) => closedLoop(ms, connections, rotate) };
}

export interface VerifySetup {
  passwordHash: string;
  password: string;
  connections: number;
}

/** Runs only argon2, at the cost in the stored hash. */
export function verifyPasswords({ passwordHash, password, connections }: VerifySetup): Job {
  return {
    run: (ms) =>
      closedLoop(ms, connections, async () => {
        if (!(await verify(passwordHash, password)))
          throw new Error('the password does not match its hash');
      }),
  };
}

export interface CopySetup {
  databaseUrl: string;
  /** The rows to copy: a SELECT in brackets. */
  source: string;
  rows: number;
}

/** Runs `COPY (…) TO STDOUT` through `gzip -6`. It copies all rows, whatever time the phase has. */
export function copyThroughGzip({ databaseUrl, source, rows }: CopySetup): Job {
  return {
    async run() {
      const client = new Client({ connectionString: databaseUrl });
      await client.connect();
      const began = performance.now();
      const gzip = spawn('gzip', ['-6'], { stdio: ['pipe', 'pipe', 'inherit'] });
      const ended = once(gzip, 'close');
      client.query(copyTo(`COPY ${source} TO STDOUT`)).pipe(gzip.stdin);
      gzip.stdout.resume();
      const [code] = await ended;
      const seconds = (performance.now() - began) / 1000;
      await client.end();
      if (code !== 0) throw new Error(`gzip ended with ${code}`);
      return { done: rows, seconds, p50: 0, p99: 0 };
    },
  };
}
