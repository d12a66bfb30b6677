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
const say = (channel: string, payload: string) =>
  pool.query('SELECT pg_notify($1, $2)', [channel, payload]);

interface Listener {
  broadcast: Broadcast;
  heard: (string | null)[];
  changes: boolean[];
}

function listen(url = databaseUrl): Listener {
  const [heard, changes]: [(string | null)[], boolean[]] = [[], []];
  const broadcast = createBroadcast({
    url,
    nodeId: randomUUID(),
    say,
    onChange: (hears) => void changes.push(hears),
    echoEveryMs: 50,
  });
  broadcast.onMessage((message) => void heard.push(message));
  broadcast.start();
  closeLater(() => broadcast.close());
  return { broadcast, heard, changes };
}

const untilHearing = ({ broadcast }: Listener) =>
  pollUntil(
    'the line works',
    () => Promise.resolve(broadcast.isDeaf()),
    (deaf) => !deaf,
  );
const until = (listener: Listener, what: string, fits: (heard: (string | null)[]) => boolean) =>
  pollUntil(what, () => Promise.resolve(listener.heard), fits);

describe('a broadcast', () => {
  it('reaches the other nodes, once, and not the one that sends', async () => {
    const [a, b, c] = [listen(), listen(), listen()];
    await Promise.all([a, b, c].map(untilHearing));
    a.broadcast.send('policy/1');
    a.broadcast.send('policy/1');
    b.broadcast.send('end');
    await until(a, 'the end', (heard) => heard.includes('end'));
    await until(c, 'the end', (heard) => heard.includes('end') && heard.includes('policy/1'));
    await until(b, 'the message', (heard) => heard.includes('policy/1'));
    const count = ({ heard }: Listener) => heard.filter((one) => one === 'policy/1').length;
    expect([a, b, c].map(count)).toStrictEqual([0, 1, 1]);
  });

  it('carries more than fits in one notification', async () => {
    const [a, b] = [listen(), listen()];
    await Promise.all([a, b].map(untilHearing));
    const messages = Array.from({ length: 1000 }, () => `staff/${randomUUID()}/${randomUUID()}`);
    for (const message of messages) a.broadcast.send(message);
    await until(b, 'all of them', (heard) => messages.every((one) => heard.includes(one)));
  });

  it('is not disturbed by what others say on its channel', async () => {
    const [a, b] = [listen(), listen()];
    await Promise.all([a, b].map(untilHearing));
    for (const odd of ['', 'null', '{', '[]', '[[1]]', '{"a":1}', '["x",null]']) {
      await ask(databaseUrl, `SELECT pg_notify('gatehouse_forget', '${odd}')`);
    }
    a.broadcast.send('after');
    await until(b, 'the next', (heard) => heard.includes('after'));
  });

  it('whose line is cut says that it may have missed something, comes back, and says it again', async () => {
    const a = listen();
    await untilHearing(a);
    a.heard.splice(0);
    await ask(
      databaseUrl,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE application_name = 'gatehouse-broadcast' AND datname = current_database()`,
    );
    await until(a, 'the cut and the return', (heard) => heard.length >= 2);
    await untilHearing(a);
    expect(a.heard).toStrictEqual([null, null]);
    expect(a.changes).toStrictEqual([true, false, true]);
  });

  it('knows that it is deaf where the line is up and nothing comes through', async () => {
    const proxy = await startTcpProxy(databaseUrl);
    closeLater(() => proxy.close());
    const a = listen(proxy.url);
    await untilHearing(a);
    proxy.set('mute');
    await pollUntil(
      'deaf',
      () => Promise.resolve(a.broadcast.isDeaf()),
      (deaf) => deaf,
    );
    expect(a.heard.at(-1)).toBeNull();
  });

  it('that was never begun is not deaf, and sends nothing', async () => {
    const b = listen();
    await untilHearing(b);
    const a = createBroadcast({ url: databaseUrl, nodeId: 'a', say, onChange: () => undefined });
    a.send('nothing');
    expect(a.isDeaf()).toBe(false);
    await a.close();
    const c = listen();
    await untilHearing(c);
    c.broadcast.send('end');
    await until(b, 'the end', (heard) => heard.includes('end'));
    expect(b.heard).not.toContain('nothing');
  });
});
