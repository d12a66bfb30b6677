import { createHash, randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import express from 'express';
import { ask } from '@/tests/helpers/database/askDatabase';
import { startReceiver } from '@/tests/helpers/evidence/checkpointReceiver';
import type { Received, Receiver } from '@/tests/helpers/evidence/checkpointReceiver';
import { errorsOf, seal, thisDatabase } from '@/tests/helpers/evidence/checkpoints';
import {
  assemble,
  cursorOf,
  feedRow,
  hastenFeed,
  idsOf,
  openFeed,
  sealEvents,
  toBatch,
  untilFed,
  untilResting,
  writeEvents,
} from '@/tests/helpers/evidence/openFeed';
import { listen } from '@/tests/helpers/http/listen';
import { objectionsToOcsf } from '@/tests/helpers/evidence/objectionsToOcsf';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { noteRests } from '@/tests/helpers/database/rests';

const CANNOT = 'audit events cannot be delivered: they are kept and will be tried again';

let receiver: Receiver;
let node: Awaited<ReturnType<typeof openFeed>> | undefined;

beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(async () => {
  await node?.close();
  node = undefined;
});

const open = async (options?: Parameters<typeof openFeed>[1]) =>
  (node = await openFeed(receiver.url, options));
const of = (log: string) => (one: Received) => toBatch(one).log === log;

describe('a receiver', () => {
  it('gets every event of every log once and in order, in requests of one log and of bounded size', async () => {
    await seal();
    const { sink, metric } = await open();
    await writeEvents(null, 3);
    const tenants = [...(await sealEvents([1201, 1])), ...(await sealEvents([300], 8000))];
    await untilFed(sink);
    for (const tenant of tenants) {
      const mine = receiver.accepted.filter(of(tenant));
      expect(mine.flatMap((one) => toBatch(one).ids)).toStrictEqual(await idsOf(tenant));
      expect(assemble(mine, tenant)).toStrictEqual(await idsOf(tenant));
    }
    const batches = receiver.accepted.map(toBatch);
    expect(Math.max(...batches.map(({ ids }) => ids.length))).toBe(500);
    expect(Math.max(...receiver.accepted.map(({ note }) => note.length))).toBeLessThanOrEqual(
      1_000_000,
    );
    const lines = receiver.accepted.flatMap(({ note }) => note.trimEnd().split('\n'));
    const events = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events.filter((one) => objectionsToOcsf(one).length > 0)).toStrictEqual([]);
    expect(events.filter((one) => !('tenant_uid' in (one['metadata'] as object)))).toHaveLength(3);
    await pollUntil(
      'all are counted',
      () => metric('delivered_total'),
      (count) => count === 1505,
    );
    await pollUntil(
      'the gauges fall',
      () => metric('behind'),
      (behind) => behind === 0,
    );
    expect(await metric('lag_seconds')).toBe(0);
  });

  it('of the format json gets the entries of the leaves, whose hashes are the log’s', async () => {
    const { sink } = await open({ format: 'json', token: 's3cret-token' });
    const [tenant = ''] = await sealEvents([3]);
    await untilFed(sink);
    const [one] = receiver.accepted.filter(of(tenant));
    expect(one?.headers).toMatchObject({
      'content-type': 'application/x-ndjson',
      authorization: 'Bearer s3cret-token',
      'gatehouse-log': `gatehouse/${tenant}`,
      'gatehouse-first-leaf': '0',
      'gatehouse-last-leaf': '2',
    });
    const last = one?.note.trimEnd().split('\n').at(-1) ?? '';
    const hash = createHash('sha256').update('\0').update(last).digest('base64');
    expect(one?.headers['gatehouse-last-leaf-hash']).toBe(hash);
  });

  it('gets no event before it is under a checkpoint', async () => {
    const [tenant = ''] = await sealEvents([4]);
    const sign = (size: number) =>
      ask(thisDatabase(), 'UPDATE audit_trees SET checkpoint_size = $2 WHERE log_id = $1', [
        tenant,
        size,
      ]);
    await sign(2);
    const { sink } = await open({ start: 'beginning' });
    await untilFed(sink);
    expect(assemble(receiver.accepted, tenant)).toStrictEqual((await idsOf(tenant)).slice(0, 2));
    await sign(4);
  });

  it.each([
    ['beginning', 5],
    ['now', 2],
  ] as const)('that starts at %s has had %d events, and a new log whole', async (start, count) => {
    const [old = ''] = await sealEvents([3]);
    const { sink } = await open({ start });
    await writeEvents(old, 2);
    const [young = ''] = await sealEvents([2]);
    await untilFed(sink);
    const batches = receiver.accepted.map(toBatch);
    expect(batches.filter(({ log }) => log === old).flatMap(({ ids }) => ids)).toStrictEqual(
      (await idsOf(old)).slice(-count),
    );
    expect(assemble(receiver.accepted, young)).toStrictEqual(await idsOf(young));
  });

  it('is not kept from a quiet log by busy ones: whoever waited longest is next', async () => {
    const busy = await sealEvents([1500, 1500, 1500, 1500, 1500, 1500]);
    const [quiet = ''] = await sealEvents([1]);
    const { sink } = await open({ start: 'beginning' });
    await untilFed(sink);
    const order = receiver.accepted.map(toBatch);
    const firsts = [...busy, quiet].map((log) => order.findIndex((one) => one.log === log));
    const third = order.findIndex(({ log, first }) => busy.includes(log) && first >= 1000);
    expect(Math.max(...firsts)).toBeLessThan(third);
  });
});

describe('a receiver that does not take events', () => {
  it.each([
    ['fails', { status: 500 }, 'HTTP 500'],
    ['forbids', { status: 403 }, 'HTTP 403'],
    ['sends elsewhere', { status: 307, headers: { location: 'TRAP' } }, 'HTTP 307'],
    ['has enough', { status: 429 }, 'HTTP 429'],
    ['never answers', 'hang', 'TIMEOUT'],
    ['hangs up', 'hang up', 'ECONNRESET'],
  ] as const)(
    'as it %s, gets all of them later, and that is said once',
    async (_what, answer, reason) => {
      const trap = await startReceiver();
      receiver.answer(
        typeof answer === 'object' && 'headers' in answer
          ? { ...answer, headers: { location: trap.url } }
          : answer,
      );
      const { sink, lines, metric } = await open(reason === 'TIMEOUT' ? { timeoutMs: 1000 } : {});
      const tenants = await sealEvents([600, 2, 2]);
      expect((await untilResting(sink))?.last_error).toBe(reason);
      await hastenFeed();
      await untilResting(sink, 2);
      expect(errorsOf(lines)).toStrictEqual([CANNOT]);
      expect(JSON.stringify(lines)).not.toContain(receiver.url);
      receiver.accept();
      await hastenFeed();
      await untilFed(sink);
      for (const tenant of tenants) {
        expect(assemble(receiver.accepted, tenant)).toStrictEqual(await idsOf(tenant));
      }
      expect([...trap.accepted, ...trap.refused]).toStrictEqual([]);
      expect(lines.at(-1)?.msg).toBe('audit events are delivered again');
      expect(await feedRow(sink)).toMatchObject({ failures: 0, last_error: null });
      expect(await metric('failures_total')).toBeGreaterThanOrEqual(2);
    },
  );

  it('and says when is not asked before', async () => {
    receiver.answer({ status: 503, headers: { 'retry-after': '120' } });
    const { sink } = await open();
    const restAfter = await noteRests(thisDatabase(), 'event_feeds');
    await sealEvents([1]);
    await untilResting(sink);
    expect(await restAfter()).toBeGreaterThan(117_000);
  });

  it('since it is away costs nothing but time, and the metrics say how far behind it is', async () => {
    const { sink, metric } = await open();
    await receiver.stop();
    const [tenant = ''] = await sealEvents([700]);
    expect((await untilResting(sink))?.last_error).toMatch(/^ECONN/);
    await pollUntil(
      'the metrics tell',
      async () => [await metric('behind'), await metric('lag_seconds')],
      ([behind = 0, lag = 0]) => behind === 700 && lag > 0,
    );
    await receiver.again();
    await hastenFeed();
    await untilFed(sink);
    expect(assemble(receiver.accepted, tenant)).toStrictEqual(await idsOf(tenant));
  });

  it('for what is in one log gets the others', async () => {
    const { sink, lines } = await open();
    const poison = randomUUID();
    receiver.answer((one) => ({ status: of(poison)(one) ? 422 : 204 }));
    await writeEvents(poison, 2);
    const [other = ''] = await sealEvents([2]);
    const cursor = await pollUntil(
      'it is noted',
      () => cursorOf(sink, poison),
      (row) => (row?.failures ?? 0) > 0,
    );
    expect(cursor).toMatchObject({ next_leaf: '0', last_error: 'HTTP 422' });
    await pollUntil(
      'the other is there',
      () => cursorOf(sink, other),
      (row) => row?.next_leaf === '2',
    );
    expect(await feedRow(sink)).toMatchObject({ failures: 0 });
    expect(errorsOf(lines)).toHaveLength(1);
    receiver.accept();
    await hastenFeed();
    await untilFed(sink);
    expect(assemble(receiver.accepted, poison)).toStrictEqual(await idsOf(poison));
  });

  it('and refuses all that is in any log fills no log of ours', async () => {
    receiver.answer({ status: 400 });
    const { lines, metric } = await open();
    await sealEvents(Array.from({ length: 20 }, () => 1));
    await pollUntil(
      'all are refused',
      () => metric('failures_total'),
      (count) => count >= 20,
    );
    expect(errorsOf(lines)).toHaveLength(5);
  });

  it('because there are too many gets fewer at once', async () => {
    const { sink } = await open();
    receiver.answer((one) => ({ status: toBatch(one).ids.length > 100 ? 413 : 204 }));
    const [tenant = ''] = await sealEvents([450]);
    await untilFed(sink);
    expect(assemble(receiver.accepted, tenant)).toStrictEqual(await idsOf(tenant));
  });
});

it.each([
  ['never ends', (res: ServerResponse) => void res.writeHead(200).write('a')],
  ['is huge', (res: ServerResponse) => void res.writeHead(200).end(Buffer.alloc(4_000_000))],
])('an answer whose body %s is not waited for', async (_what, answer) => {
  let taken = 0;
  const url = await listen(() =>
    express().use((req, res) => {
      req.resume().on('end', () => {
        taken += 1;
        answer(res);
      });
    }),
  );
  node = await openFeed(url);
  await sealEvents([501]);
  await untilFed(node.sink);
  await seal();
  expect(taken).toBe(2);
});
