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
  const said: string[] = [];
  const heard: (string | null)[] = [];
  const broadcast = createBroadcast({
    url,
    nodeId: randomUUID(),
    say(channel, payload) {
      said.push(payload);
      return pool.query('SELECT pg_notify($1, $2)', [channel, payload]);
    },
    onChange: () => undefined,
    echoEveryMs: 20,
  });
  broadcast.onMessage((message) => void heard.push(message));
  broadcast.start();
  closeLater(async () => {
    await broadcast.close();
    await close();
  });
  return { broadcast, said, heard };
}

describe('a node behind PgBouncer', () => {
  it('in session mode hears the others', async () => {
    const { broadcast, heard } = await listenThrough({ pool_mode: 'session' });
    const deaf = () => Promise.resolve(broadcast.isDeaf());
    await pollUntil('it hears itself', deaf, (is) => !is);
    await ask(direct, `SELECT pg_notify('gatehouse_forget', '["another","policy/1"]')`);
    await pollUntil(
      'the word of another',
      () => Promise.resolve(heard),
      (all) => all.includes('policy/1'),
    );
  });

  it('in transaction mode knows that it is deaf, however often it has spoken, and is heard by the others', async () => {
    const other = await listenThrough({ pool_mode: 'session' });
    const deaf = () => Promise.resolve(other.broadcast.isDeaf());
    await pollUntil('the other hears', deaf, (is) => !is);
    const { broadcast, said, heard } = await listenThrough({ pool_mode: 'transaction' });
    await pollUntil(
      'twenty echoes',
      () => Promise.resolve(said.length),
      (count) => count >= 20,
    );
    expect([broadcast.isDeaf(), heard]).toStrictEqual([true, []]);
    broadcast.send('policy/2');
    await pollUntil(
      'the word of the deaf one',
      () => Promise.resolve(other.heard),
      (all) => all.includes('policy/2'),
    );
  });
});
