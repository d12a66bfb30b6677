import { createChangeReader } from '@/server/accessChanges/changeReader';
import type { Turn } from '@/server/accessChanges/changeReader';
import { MOST_CHANGES } from '@/server/accessChanges/changeStore';
import type { ChangeMessage } from '@/server/accessChanges/changeFeed';
import { openChangeStream } from '@/tests/helpers/http/changeStream';
import { listen } from '@/tests/helpers/http/listen';
import { openRaw } from '@/tests/helpers/http/rawConnection';
import { ask, withConnection } from '@/tests/helpers/database/askDatabase';
import { makeServiceKey, withKey } from '@/tests/helpers/people/programs';
import { buildApp } from '@/tests/helpers/server/testApp';
import { pollUntil } from '@/tests/helpers/time/pollUntil';

const databaseUrl = process.env['DATABASE_URL'] ?? '';
const { app, deps } = buildApp();
const sql = (text: string, ...values: unknown[]) => ask(databaseUrl, text, values);
const change = (count: number) =>
  sql(
    `INSERT INTO access_changes (kind, tenant_id, user_id, subject_id)
     SELECT 'session', gen_random_uuid(), gen_random_uuid(), gen_random_uuid() FROM generate_series(1, $1)`,
    count,
  );

/** Finds a reading of changes that waits for a lock. */
const WAITING_READ = `SELECT pid FROM pg_stat_activity WHERE datname = current_database()
  AND wait_event_type = 'Lock' AND query LIKE '%access_change_purges%'`;

// First in this file: later, other streams read the changes too.
it.each(['/stream', '?waitMs=1000'])(
  'a key that is revoked between its check and the first reading opens nothing: %s',
  async (path) => {
    const late = buildApp();
    const key = await makeServiceKey(late.deps, ['introspect']);
    const { body } = await withKey(late.app, key).get('/api/service/self').expect(200);
    const url = await listen(late.app);
    const stop = new AbortController();
    const answered = await withConnection(databaseUrl, async (client) => {
      await client.query('BEGIN');
      await client.query('LOCK TABLE access_changes');
      const answer = fetch(`${url}/api/access-changes${path}`, {
        headers: { authorization: `Bearer ${key}` },
        signal: stop.signal,
      }).then(({ status }) => status);
      await pollUntil(
        'the first reading waits',
        () => ask(databaseUrl, WAITING_READ),
        (rows) => rows.length > 0,
      );
      const { id } = body as { id: string };
      await client.query('UPDATE service_keys SET revoked_at = now() WHERE id = $1', [id]);
      await client.query('COMMIT');
      return answer;
    });
    stop.abort();
    expect(answered).toBe(401);
  },
);

it('a stream that ends while its guard does not read is cut off, and harms neither the node nor other guards', async () => {
  const url = await listen(app);
  const key = await makeServiceKey(deps, ['introspect']);
  const mine = await makeServiceKey(deps, ['introspect']);
  const other = await openChangeStream(url, key);
  const stalled: Awaited<ReturnType<typeof openRaw>>[] = [];
  // Each is stalled with another amount unsent. What the kernel holds for a connection is unknown.
  for (let step = 0; step < 16; step += 1) {
    const raw = await openRaw(Number(new URL(url).port));
    raw.send(
      `GET /api/access-changes/stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${mine}\r\n\r\n`,
    );
    await raw.hears(/"reset":"started"/);
    raw.socket.pause();
    stalled.push(raw);
    await change(3000);
    await other.until(({ changes }) => changes.length === 3000);
    other.messages.length = 0;
  }
  const { body: self } = await withKey(app, mine).get('/api/service/self').expect(200);
  const { id } = self as { id: string };
  await sql('UPDATE service_keys SET revoked_at = now() WHERE id = $1', id);
  const open = async () => (await deps.metrics.accessStreams.get()).values[0]?.value;
  await pollUntil('only the other stream is open', open, (streams) => streams === 1);
  await other.untilCovered();
  for (const { socket } of stalled) socket.resume();
  await Promise.all(stalled.map((raw) => raw.closed()));
  const { cursor } = (await withKey(app, key).get('/api/access-changes').expect(200))
    .body as ChangeMessage;
  expect(cursor).toMatch(/\./);
});

it('more changes at once than a message holds arrive as a reset, also for a guard that has missed them', async () => {
  const url = await listen(app);
  const key = await makeServiceKey(deps, ['introspect']);
  const stream = await openChangeStream(url, key);
  await stream.untilCovered();
  const cursor = stream.messages.at(-1)?.cursor;
  await change(MOST_CHANGES);
  await stream.until(({ changes }) => changes.length === MOST_CHANGES);
  expect(stream.messages.filter(({ reset }) => reset === 'everything')).toEqual([]);
  await change(MOST_CHANGES + 1);
  const message = await stream.until(({ reset }) => reset !== undefined && reset !== 'started');
  expect(message).toMatchObject({ reset: 'everything', changes: [] });
  // A change of the guard's own key may be among them, so it has to show its key again.
  await stream.ended;
  const { body } = await withKey(app, key).get(`/api/access-changes?cursor=${cursor}`).expect(200);
  expect(body).toMatchObject({ reset: 'everything', changes: [] });
});

it('a node that was stopped until changes were purged tells its guards to forget everything', async () => {
  const reading = (xmin: string, purgedBelow: string) => ({
    ...{ epoch: 'one', snapshot: `${xmin}:${xmin}:`, xmin, xmax: xmin, purgedBelow },
    ...{ sound: true, changes: [] },
  });
  const readings = [reading('10', '5'), reading('11', '10'), reading('40', '30')];
  const turns: Turn[] = [];
  const reader = createChangeReader({
    read: () => Promise.resolve(readings.shift() ?? reading('40', '30')),
    ...{ onTurn: () => undefined, onFailure: () => undefined, everyMs: 1, afterFailureMs: 1 },
  });
  await new Promise<void>((resolve) => {
    reader.listen((turn) => {
      if (turns.push(turn) === 4) resolve();
    });
  });
  await reader.close();
  expect(turns.slice(0, 4).map(({ newEpoch }) => newEpoch)).toEqual([false, false, true, false]);
});
