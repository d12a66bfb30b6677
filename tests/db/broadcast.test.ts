import { randomUUID } from 'node:crypto';
import { connect } from '@/server/db';
import { createBroadcast } from '@/server/db/broadcast';
import type { Broadcast } from '@/server/db/broadcast';
import { loadConfig, requireReady } from '@/server/config';
import { ask } from '@/tests/helpers/database/askDatabase';
import { closeLater } from '@/tests/helpers/server/closing';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { startTcpProxy } from '@/tests/helpers/http/tcpProxy';

const { databaseUrl } = requireReady(loadConfig());

const { pool, close } = connect({ url: databaseUrl, poolSize: 2, statementTimeoutMs: 5000 });
closeLater(close);
const publish = (channel: string, payload: string) =>
  pool.query('SELECT pg_notify($1, $2)', [channel, payload]);

interface Listener {
  broadcast: Broadcast;
  received: (string | null)[];
  changes: boolean[];
}

/** @param echoEveryMs if short, a busy machine makes the line look dead now and then */
function listen(url = databaseUrl, echoEveryMs?: number): Listener {
  const [received, changes]: [(string | null)[], boolean[]] = [[], []];
  const broadcast = createBroadcast({
    url,
    nodeId: randomUUID(),
    publish,
    onChange: (receiving) => void changes.push(receiving),
    ...(echoEveryMs === undefined ? {} : { echoEveryMs }),
  });
  broadcast.onMessage((message) => void received.push(message));
  broadcast.start();
  closeLater(() => broadcast.close());
  return { broadcast, received, changes };
}

const untilHearing = ({ broadcast }: Listener) =>
  pollUntil(
    'the line works',
    () => Promise.resolve(broadcast.isDown()),
    (down) => !down,
  );
const until = (listener: Listener, what: string, fits: (received: (string | null)[]) => boolean) =>
  pollUntil(what, () => Promise.resolve(listener.received), fits);

describe('a broadcast', () => {
  it('reaches the other nodes, once, and not the one that sends', async () => {
    const [a, b, c] = [listen(), listen(), listen()];
    await Promise.all([a, b, c].map(untilHearing));
    a.broadcast.send('policy/1');
    a.broadcast.send('policy/1');
    b.broadcast.send('end');
    await until(a, 'the end', (received) => received.includes('end'));
    await until(
      c,
      'the end',
      (received) => received.includes('end') && received.includes('policy/1'),
    );
    await until(b, 'the message', (received) => received.includes('policy/1'));
    const count = ({ received }: Listener) => received.filter((one) => one === 'policy/1').length;
    expect([a, b, c].map(count)).toStrictEqual([0, 1, 1]);
  });

  it('carries more than fits in one notification', async () => {
    const [a, b] = [listen(), listen()];
    await Promise.all([a, b].map(untilHearing));
    const messages = Array.from({ length: 1000 }, () => `staff/${randomUUID()}/${randomUUID()}`);
    for (const message of messages) a.broadcast.send(message);
    await until(b, 'all of them', (received) => messages.every((one) => received.includes(one)));
  });

  it('is not disturbed by messages of others on its channel', async () => {
    const [a, b] = [listen(), listen()];
    await Promise.all([a, b].map(untilHearing));
    for (const odd of ['', 'null', '{', '[]', '[[1]]', '{"a":1}', '["x",null]']) {
      await ask(databaseUrl, `SELECT pg_notify('gatehouse_forget', '${odd}')`);
    }
    a.broadcast.send('after');
    await until(b, 'the next', (received) => received.includes('after'));
  });

  it('whose connection is cut reports that it may have missed something, comes back, and reports it again', async () => {
    const a = listen();
    await untilHearing(a);
    a.received.splice(0);
    await ask(
      databaseUrl,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE application_name = 'gatehouse-broadcast' AND datname = current_database()`,
    );
    await until(a, 'the cut and the return', (received) => received.length >= 2);
    await untilHearing(a);
    expect(a.received).toStrictEqual([null, null]);
    expect(a.changes).toStrictEqual([true, false, true]);
  });

  it('is down if the connection is open and nothing arrives', async () => {
    const proxy = await startTcpProxy(databaseUrl);
    closeLater(() => proxy.close());
    const a = listen(proxy.url, 50);
    await untilHearing(a);
    proxy.set('mute');
    await pollUntil(
      'down',
      () => Promise.resolve(a.broadcast.isDown()),
      (down) => down,
    );
    expect(a.received.at(-1)).toBeNull();
  });

  it('that was never begun is not down, and sends nothing', async () => {
    const b = listen();
    await untilHearing(b);
    const a = createBroadcast({
      url: databaseUrl,
      nodeId: 'a',
      publish,
      onChange: () => undefined,
    });
    a.send('nothing');
    expect(a.isDown()).toBe(false);
    await a.close();
    const c = listen();
    await untilHearing(c);
    c.broadcast.send('end');
    await until(b, 'the end', (received) => received.includes('end'));
    expect(b.received).not.toContain('nothing');
  });
});
