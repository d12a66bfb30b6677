import { randomUUID } from 'node:crypto';
import { connect } from '@/server/db';
import { createBroadcast } from '@/server/db/broadcast';
import { closeLater } from '../helpers/server/closing';
import { ask } from '../helpers/database/askDatabase';
import { startPgBouncer } from '../helpers/database/pgBouncer';
import type { BouncerSettings } from '../helpers/database/pgBouncer';
import { pollUntil } from '../helpers/time/pollUntil';

const direct = process.env['DATABASE_URL'] ?? '';

async function listenThrough(settings: BouncerSettings) {
  const { url } = await startPgBouncer(direct, settings);
  const { pool, close } = connect({ url, poolSize: 1, statementTimeoutMs: 5000 });
  const published: string[] = [];
  const received: (string | null)[] = [];
  const broadcast = createBroadcast({
    url,
    nodeId: randomUUID(),
    publish(channel, payload) {
      published.push(payload);
      return pool.query('SELECT pg_notify($1, $2)', [channel, payload]);
    },
    onChange: () => undefined,
    echoEveryMs: 20,
  });
  broadcast.onMessage((message) => void received.push(message));
  broadcast.start();
  closeLater(async () => {
    await broadcast.close();
    await close();
  });
  return { broadcast, published, received };
}

describe('a node behind PgBouncer', () => {
  it('in session mode receives from the others', async () => {
    const { broadcast, received } = await listenThrough({ pool_mode: 'session' });
    const down = () => Promise.resolve(broadcast.isDown());
    await pollUntil('it receives its own message', down, (is) => !is);
    await ask(direct, `SELECT pg_notify('gatehouse_forget', '["another","policy/1"]')`);
    await pollUntil(
      'the word of another',
      () => Promise.resolve(received),
      (all) => all.includes('policy/1'),
    );
  });

  it('in transaction mode knows that it is down, however often it has published, and the others receive from it', async () => {
    const other = await listenThrough({ pool_mode: 'session' });
    const down = () => Promise.resolve(other.broadcast.isDown());
    await pollUntil('the other receives', down, (is) => !is);
    const { broadcast, published, received } = await listenThrough({ pool_mode: 'transaction' });
    await pollUntil(
      'twenty echoes',
      () => Promise.resolve(published.length),
      (count) => count >= 20,
    );
    expect([broadcast.isDown(), received]).toStrictEqual([true, []]);
    broadcast.send('policy/2');
    await pollUntil(
      'the word of the node that is down',
      () => Promise.resolve(other.received),
      (all) => all.includes('policy/2'),
    );
  });
});
