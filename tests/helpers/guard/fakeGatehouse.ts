import { generateKeyPairSync, randomUUID } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { sign } from 'jsonwebtoken';
import { createGuard } from '@/guard';
import type { Guard, GuardOptions, GuardStats } from '@/guard';
import { closeLater } from '../server/closing';
import { pollUntil } from '../time/pollUntil';

/** A service key of the right form. */
export const SERVICE_KEY = `ghk_s${'a'.repeat(49)}`;
/** An API key of the right form. */
export const API_KEY = `ghk_t${'a'.repeat(49)}`;

interface SigningKey {
  kid: string;
  privateKey: KeyObject;
  publicKey: KeyObject;
}

export const newSigningKey = (): SigningKey => ({
  kid: randomUUID(),
  ...generateKeyPairSync('ec', { namedCurve: 'P-256' }),
});

/** The person whom every token of a test names unless it says otherwise. */
export const ANN = {
  sub: randomUUID(),
  tid: randomUUID(),
  sid: randomUUID(),
  sv: 1,
};

/** What Gatehouse says about the person. */
export const ACTIVE = {
  ...{ active: true, token_type: 'Bearer', tenant: 'acme', staff_id: randomUUID() },
  ...{ username: 'ann@example.com', name: null, roles: [], amr: ['pwd'], acr: 'aal1' },
  ...{ permissions: ['app:read'], auth_time: 1, expires_in: 300, step_ups: [] },
  ...ANN,
};

interface Request {
  path: string;
  body: Record<string, unknown>;
  headers: IncomingMessage['headers'];
}

/**
 * A Gatehouse whose every answer the test decides. It speaks HTTP on loopback, so the guard under test
 * uses its real client.
 */
export async function openFakeGatehouse() {
  const key = newSigningKey();
  const fake = {
    key,
    keys: [key],
    requests: [] as Request[],
    /** The headers of answers to introspections. */
    headers: {},
    /** The answer to an introspection; it may wait. */
    introspect: (_asked: Request): unknown => ACTIVE,
    stepUp: (_asked: Request): { status: number; body: object; headers?: object } => ({
      status: 200,
      body: { active: true, passed: true },
    }),
    /** Whether streams are answered, left silent, or refused. */
    /** Redirects introspections to another origin. */
    redirectTo: undefined as string | undefined,
    streams: 'open' as 'open' | 'silent' | 'refused',
    status: 200,
    /** Whether introspections get the beginning of an answer, and no end. */
    stalls: false,
    poll: (): object => ({ cursor: 'e.1', elapsedMs: 0, changes: [] }),
    url: '',
    /** Sends a message on every open stream. */
    send(message: object) {
      for (const res of open)
        res.write(`data: ${JSON.stringify({ ...empty('e.2'), ...message })}\n\n`);
    },
    cut() {
      for (const res of open) res.destroy();
    },
    countOf: (path: string) => fake.requests.filter((each) => each.path.startsWith(path)).length,
    token: (claims: object = {}, header: object = {}, by: SigningKey = key) =>
      sign(
        { iss: 'urn:gatehouse', aud: 'gatehouse', jti: randomUUID(), ...ANN, ...claims },
        by.privateKey,
        {
          algorithm: 'ES256',
          keyid: by.kid,
          ...('exp' in claims ? {} : { expiresIn: 300 }),
          header: { alg: 'ES256', typ: 'at+jwt', ...header },
        },
      ),
    /** Waits until a request for a path has come, after those that were counted before. */
    async until(path: string, more = 1): Promise<void> {
      const wanted = fake.countOf(path) + more;
      while (fake.countOf(path) < wanted) await once(server, 'request');
    },
  };
  const open = new Set<ServerResponse>();
  const empty = (cursor: string) => ({
    cursor,
    keys: fake.keys.map(({ kid }) => kid),
    changes: [],
  });

  const answer = (res: ServerResponse, status: number, body: unknown, headers: object = {}) => {
    res.writeHead(status, { 'content-type': 'application/json', ...headers });
    res.end(JSON.stringify(body));
  };
  async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const path = req.url ?? '';
    let text = '';
    for await (const chunk of req) text += String(chunk);
    const asked = { path, body: JSON.parse(text || '{}') as Request['body'], headers: req.headers };
    fake.requests.push(asked);
    server.emit('noted');
    if (path.startsWith('/.well-known')) {
      const keys = fake.keys.map(({ kid, publicKey }) => ({
        ...publicKey.export({ format: 'jwk' }),
        kid,
      }));
      answer(res, 200, { keys });
    } else if (path.startsWith('/api/access-changes/stream')) {
      if (fake.streams === 'refused') return answer(res, 503, {});
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      if (fake.streams === 'silent') return void res.flushHeaders();
      open.add(res);
      res.once('close', () => open.delete(res));
      const fresh = !path.includes('cursor=');
      fake.send({ cursor: 'e.1', elapsedMs: 0, ...(fresh ? { reset: 'started' } : {}) });
    } else if (path.startsWith('/api/access-changes'))
      answer(res, 200, { ...empty('e.1'), ...fake.poll() });
    else if (path === '/api/token/step-up') {
      const { status, body, headers } = fake.stepUp(asked);
      answer(res, status, body, headers);
    } else if (fake.stalls) {
      res.writeHead(200, { 'content-type': 'application/json' }).write('{');
    } else if (fake.redirectTo !== undefined) {
      res.writeHead(307, { location: `${fake.redirectTo}${path}` }).end();
    } else answer(res, fake.status, await fake.introspect(asked), fake.headers);
  }
  const server = createServer((req, res) => void handle(req, res));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  fake.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  closeLater(
    () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  );
  return fake;
}

export type FakeGatehouse = Awaited<ReturnType<typeof openFakeGatehouse>>;

/** Clocks that a test can move. */
export function createMovableClocks() {
  let [monotonic, wall] = [0, 0];
  return {
    monotonic: () => performance.now() + monotonic,
    wall: () => Date.now() + wall,
    /** Lets time pass. */
    forward(ms: number) {
      monotonic += ms;
      wall += ms;
    },
    /** Sets the time of day, as an administrator would, or a machine that was suspended. */
    shiftWall(ms: number) {
      wall += ms;
    },
  };
}

/** Waits until the figures of a guard meet a condition. */
export const untilStats = (guard: Guard, what: (stats: GuardStats) => boolean) =>
  pollUntil('the guard has got so far', () => Promise.resolve(guard.stats()), what);

/** Builds a guard of a fake Gatehouse, and waits until it has its first message. */
export async function openGuard(
  fake: FakeGatehouse,
  options: Partial<GuardOptions> = {},
): Promise<Guard> {
  const guard = createGuard({ url: fake.url, serviceKey: SERVICE_KEY, ...options });
  closeLater(() => guard.close());
  if (fake.streams === 'open') await untilStats(guard, ({ stalenessMs }) => stalenessMs !== null);
  return guard;
}
