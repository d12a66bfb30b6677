import { ask } from '@/tests/helpers/database/askDatabase';
import { startReceiver } from '@/tests/helpers/evidence/checkpointReceiver';
import type { Receiver } from '@/tests/helpers/evidence/checkpointReceiver';
import {
  errorsOf,
  openDeliverer,
  signMore,
  signed,
  standing,
  thisDatabase,
  untilDelivered,
  useFreshDatabase,
} from '@/tests/helpers/evidence/checkpoints';
import { closeLater } from '@/tests/helpers/server/closing';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { startTcpProxy } from '@/tests/helpers/http/tcpProxy';

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

describe('several nodes', () => {
  it('at once give each checkpoint to a receiver once, in order', async () => {
    await signMore(500);
    const nodes = [1, 2, 3].map(() => openDeliverer(receiver.settings()));
    for (let round = 0; round < 5; round += 1) await signMore(200);
    await untilDelivered(sink);
    await Promise.all(nodes.map((one) => one.close()));
    expect(receiver.accepted.map(bare)).toStrictEqual(await signed());
  });

  it('wait for a claim to run out, and for no longer', async () => {
    await signMore(2);
    const claim = (until: string) =>
      ask(
        thisDatabase(),
        `INSERT INTO checkpoint_deliveries (sink, claimed_by, claimed_until) VALUES ($1, gen_random_uuid(), now() + $2::interval)
         ON CONFLICT (sink) DO UPDATE SET claimed_until = excluded.claimed_until`,
        [sink, until],
      );
    await claim('1 hour');
    const { metric } = open();
    await pollUntil(
      'it has looked twice',
      () => metric('gatehouse_checkpoint_lag_seconds', { sink: 'webhook' }),
      (lag) => lag > 0,
    );
    expect(receiver.accepted).toStrictEqual([]);
    await claim('-1 second');
    await untilDelivered(sink);
    expect(receiver.accepted.map(bare)).toStrictEqual(await signed());
  });

  it('stop soon where another has taken over meanwhile, and note nothing over its notes', async () => {
    await signMore(2000);
    const all = await signed();
    const other = '00000000-0000-7000-8000-000000000001';
    receiver.answer(async ({ id }) => {
      if (id === all[100]?.id) {
        await ask(
          thisDatabase(),
          `UPDATE checkpoint_deliveries SET claimed_by = $2, claimed_until = now() + interval '1 hour', delivered_id = 7 WHERE sink = $1`,
          [sink, other],
        );
      }
      return { status: 200 };
    });
    open();
    await pollUntil(
      'another has taken over',
      () => Promise.resolve(receiver.accepted.length),
      (count) => count > 100,
    );
    const metric = { sink: 'webhook' };
    await pollUntil(
      'it looks again',
      async () => (await node?.metric('gatehouse_checkpoints_behind', metric)) ?? 0,
      (behind) => behind === (all.at(-1)?.id ?? 0) - 7,
    );
    expect(receiver.accepted.length).toBeLessThan(all.length);
    expect(await standing(sink)).toMatchObject({ claimed_by: other, delivered_id: '7' });
  });
});

describe('a process that is told to stop', () => {
  it('while a receiver hangs does not wait for its answer, and leaves the sink to others at once', async () => {
    await signMore(1);
    receiver.answer('hang');
    const { close } = open();
    await pollUntil(
      'it hangs',
      () => Promise.resolve(receiver.refused.length),
      (n) => n > 0,
    );
    await close();
    expect(await standing(sink)).toMatchObject({ claimed_by: null, failures: 0 });
    receiver.accept();
    open();
    await untilDelivered(sink);
    expect(receiver.accepted.map(bare)).toStrictEqual(await signed());
  });

  it('in the middle of thousands notes how far it came', async () => {
    await signMore(2000);
    const { close } = open();
    await pollUntil(
      'it has begun',
      () => Promise.resolve(receiver.accepted.length),
      (n) => n > 100,
    );
    await close();
    const reached = receiver.accepted.length;
    expect(reached).toBeLessThan((await signed()).length);
    expect(Number((await standing(sink))?.delivered_id)).toBe(receiver.accepted.at(-1)?.id);
    open();
    await untilDelivered(sink);
    expect(receiver.accepted.map(bare)).toStrictEqual(await signed());
  });
});

describe('a database', () => {
  it('that goes away in the middle and comes back costs no checkpoint, and doubles none', async () => {
    await signMore(1500);
    const proxy = await startTcpProxy(thisDatabase());
    closeLater(() => proxy.close());
    const all = await signed();
    // Accepted, and not to be noted.
    receiver.answer(({ id }) => {
      if (id === all[700]?.id) proxy.set('refuse');
      return { status: 200 };
    });
    const { lines, metric } = open({ url: proxy.url });
    const failures = () =>
      metric('gatehouse_background_failures_total', { task: 'deliver_checkpoints' });
    await pollUntil('it fails', failures, (count) => count >= 3);
    const said = errorsOf(lines);
    expect(said).toStrictEqual(['undelivered checkpoints could not be read']);
    proxy.set('forward');
    await untilDelivered(sink);
    expect(receiver.accepted.map(bare)).toStrictEqual(await signed());
  });
});
