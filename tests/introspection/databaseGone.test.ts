import request from 'supertest';
import { closeLater } from '@/tests/helpers/server/closing';
import { startTcpProxy } from '@/tests/helpers/http/tcpProxy';
import type { TcpProxy } from '@/tests/helpers/http/tcpProxy';
import { makeServiceKey } from '@/tests/helpers/people/programs';
import { deletion } from '@/tests/helpers/people/reporter';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { openNode } from '@/tests/helpers/server/openNode';
import type { Node } from '@/tests/helpers/server/openNode';

let proxy: TcpProxy;
let node: Node;
let key: string;
let who: SeededAuth;
beforeAll(async () => {
  proxy = await startTcpProxy(process.env['DATABASE_URL'] ?? '');
  closeLater(() => proxy.close());
  node = openNode((config) => ({ ...config, databaseUrl: proxy.url }));
  key = await makeServiceKey(node.deps, ['introspect', 'events:write']);
  who = await seedTestUserAndToken();
});

const service = () => ({ authorization: `Bearer ${key}` });
const gateway = () => ({
  'x-gatehouse-service-key': key,
  authorization: `Bearer ${who.token}`,
});
const stepUp = () => ({ token: who.token, purpose: 'app:x' });
const events = () => ({ events: [deletion(who.tenantSlug)] });

const QUESTIONS: [string, (to: ReturnType<typeof request>) => request.Test][] = [
  [
    'introspect',
    (to) => to.post('/api/token/introspect').set(service()).send({ token: who.token }),
  ],
  ['step-up', (to) => to.post('/api/token/step-up').set(service()).send(stepUp())],
  ['forward-auth', (to) => to.get('/api/forward-auth').set(gateway())],
  ['changes', (to) => to.get('/api/access-changes').set(service())],
  ['the stream', (to) => to.get('/api/access-changes/stream').set(service())],
  [
    'events',
    (to) => to.post('/api/audit/events').set(service()).set('idempotency-key', 'k').send(events()),
  ],
];

it.each(QUESTIONS)(
  '%s answers 503 with Retry-After while the database is gone, and never signs anybody out',
  async (_name, ask) => {
    proxy.set('refuse');
    const { status, body, headers } = await ask(request(node.app));
    proxy.set('forward');
    expect([status, body.error]).toEqual([503, 'DATABASE_UNAVAILABLE']);
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
  },
);
