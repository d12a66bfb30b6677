import { parseCheckpoint } from '@/tlog/checkpoint';
import { ask } from '@/tests/helpers/database/askDatabase';
import { startReceiver } from '@/tests/helpers/evidence/checkpointReceiver';
import type { Receiver } from '@/tests/helpers/evidence/checkpointReceiver';
import {
  errorsOf,
  hasten,
  openDeliverer,
  signMore,
  signed,
  thisDatabase,
  untilDelivered,
  useFreshDatabase,
  untilFailed,
} from '@/tests/helpers/evidence/checkpoints';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { noteRests } from '@/tests/helpers/database/rests';

let receiver: Receiver;
let sink: string;
let node: ReturnType<typeof openDeliverer> | undefined;

beforeEach(async () => {
  await useFreshDatabase();
  receiver = await startReceiver();
  sink = receiver.settings().webhook.sink;
});
afterEach(async () => {
  await node?.close();
  node = undefined;
});

const open = (options: Parameters<typeof openDeliverer>[1] = {}) =>
  (node = openDeliverer(receiver.settings(), options));
const bare = ({ id, note }: { id: number; note: string }) => ({ id, note });
const CANNOT = 'checkpoints cannot be delivered: they are kept and will be tried again';

describe('a receiver', () => {
  it('gets thousands of checkpoints, each once, in the order in which they were signed', async () => {
    await signMore(2500);
    const { metric } = open();
    await untilDelivered(sink);
    const all = await signed();
    expect(all.length).toBeGreaterThanOrEqual(2500);
    expect(receiver.accepted.map(bare)).toStrictEqual(all);
    expect(
      await metric('gatehouse_checkpoint_deliveries_total', {
        sink: 'webhook',
        outcome: 'delivered',
      }),
    ).toBe(all.length);
    expect(await metric('gatehouse_checkpoints_behind', { sink: 'webhook' })).toBe(0);
    expect(await metric('gatehouse_checkpoint_lag_seconds', { sink: 'webhook' })).toBe(0);
  });

  it('gets the note as plain text with its number, and the token where there is one', async () => {
    await signMore(1);
    node = openDeliverer(receiver.settings('s3cret-token'));
    await untilDelivered(sink);
    const last = receiver.accepted.at(-1);
    expect(last?.headers).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      authorization: 'Bearer s3cret-token',
      'gatehouse-checkpoint-id': String(last?.id),
    });
    expect(parseCheckpoint(last?.note ?? '')?.size).toBe(1);
  });

  it('gets what is signed later, soon', async () => {
    await signMore(1);
    open();
    await untilDelivered(sink);
    const before = receiver.accepted.length;
    await signMore(3);
    await untilDelivered(sink);
    expect(receiver.accepted.slice(before).map(bare)).toStrictEqual((await signed()).slice(-3));
  });

  it('at another address begins from the start', async () => {
    await signMore(2);
    open();
    await untilDelivered(sink);
    const other = await startReceiver();
    openDeliverer(other.settings());
    await untilDelivered(other.settings().webhook.sink);
    expect(other.accepted.map(bare)).toStrictEqual(await signed());
  });

  it('has a name that does not tell its address', () => {
    expect(sink).toMatch(/^webhook:[0-9a-f]{32}$/);
  });
});

describe('a receiver that does not take a checkpoint', () => {
  it.each([
    ['fails', { status: 500 }, 'HTTP 500'],
    ['knows no such page', { status: 404 }, 'HTTP 404'],
    ['sends elsewhere', { status: 302, headers: { location: 'TRAP' } }, 'HTTP 302'],
    [
      'keeps the method and sends elsewhere',
      { status: 308, headers: { location: 'TRAP' } },
      'HTTP 308',
    ],
    ['has enough', { status: 429 }, 'HTTP 429'],
    ['never answers', 'hang', 'TIMEOUT'],
    ['hangs up', 'hang up', 'ECONNRESET'],
  ] as const)(
    'as it %s, gets it again, and none after it before',
    async (_what, answer, reason) => {
      await signMore(4);
      const all = await signed();
      const stuck = all.at(-3);
      const trap = await startReceiver();
      receiver.answer(({ id }) => {
        if (id !== stuck?.id) return { status: 200 };
        if (typeof answer === 'string' || !('headers' in answer)) return answer;
        return { ...answer, headers: { location: trap.url } };
      });
      const { lines, metric } = open(reason === 'TIMEOUT' ? { webhookTimeoutMs: 1000 } : {});
      const row = await untilFailed(sink);
      expect(row?.last_error).toBe(reason);
      expect(Number(row?.delivered_id)).toBe(all.at(-4)?.id);
      expect(receiver.accepted.map(bare)).toStrictEqual(all.slice(0, -3));
      await hasten();
      await untilFailed(sink, 2);
      expect(receiver.accepted.length).toBe(all.length - 3);
      expect(errorsOf(lines)).toStrictEqual([CANNOT]);
      receiver.accept();
      await hasten();
      await untilDelivered(sink);
      expect(receiver.accepted.map(bare)).toStrictEqual(all);
      expect(receiver.refused.every(({ id }) => id === stuck?.id)).toBe(true);
      expect([...trap.accepted, ...trap.refused]).toStrictEqual([]);
      expect(lines.at(-1)?.msg).toBe('checkpoints are delivered again');
      const failed = { sink: 'webhook', outcome: 'failed' };
      expect(await metric('gatehouse_checkpoint_deliveries_total', failed)).toBeGreaterThanOrEqual(
        2,
      );
    },
  );

  it.each([
    ['seconds', () => '120', 118_000, 120_500],
    ['a date', () => new Date(Date.now() + 240_000).toUTCString(), 236_000, 240_500],
    ['what is absurd', () => '999999999', 3_590_000, 3_600_500],
    ['nonsense', () => 'soon', 0, 1000],
    ['the past', () => 'Wed, 21 Oct 2015 07:28:00 GMT', 0, 1000],
  ])('and says when in %s is not asked before', async (_what, value, least, most) => {
    await signMore(1);
    const restAfter = await noteRests(thisDatabase(), 'checkpoint_deliveries');
    receiver.answer(() => ({ status: 503, headers: { 'retry-after': value() } }));
    open();
    await untilFailed(sink);
    expect(await restAfter()).toBeGreaterThan(least - 1000);
    expect(await restAfter()).toBeLessThan(most);
  });

  it('is asked less and less often, and at least once a minute', async () => {
    await signMore(1);
    const restAfter = await noteRests(thisDatabase(), 'checkpoint_deliveries');
    receiver.answer({ status: 500 });
    open();
    await untilFailed(sink);
    for (const [failures, most] of [
      [3, 4000],
      [6, 32_000],
      [25, 60_000],
    ] as const) {
      await ask(thisDatabase(), 'UPDATE checkpoint_deliveries SET failures = $1 WHERE sink = $2', [
        failures,
        sink,
      ]);
      await hasten();
      await untilFailed(sink, failures + 1);
      expect(await restAfter(failures + 1)).toBeGreaterThan(most - 2000);
      // The time is stored in whole milliseconds.
      expect(await restAfter(failures + 1)).toBeLessThan(most + 1);
    }
  });

  it('since it is away gets everything once it is back, and meanwhile the metrics say how far behind it is', async () => {
    await signMore(1);
    open();
    await untilDelivered(sink);
    await receiver.stop();
    const before = receiver.accepted.length;
    await signMore(300);
    const row = await untilFailed(sink);
    expect(row?.last_error).toMatch(/^ECONN/);
    await pollUntil(
      'the metrics tell',
      async () => [
        await node?.metric('gatehouse_checkpoints_behind', { sink: 'webhook' }),
        await node?.metric('gatehouse_checkpoint_lag_seconds', { sink: 'webhook' }),
      ],
      ([behind = 0, lag = 0]) => behind === 300 && lag > 0,
    );
    await receiver.again();
    await hasten();
    await untilDelivered(sink);
    expect(receiver.accepted.slice(before).map(bare)).toStrictEqual((await signed()).slice(-300));
  });
});
