import { ask } from '@/tests/helpers/askDatabase';
import { startReceiver } from '@/tests/helpers/checkpointReceiver';
import { thisDatabase } from '@/tests/helpers/checkpoints';
import { assemble, idsOf, untilFed, writeEvents } from '@/tests/helpers/eventFeed';
import { pollUntil } from '@/tests/helpers/pollUntil';
import { externalEnv, killServers, startServer } from '@/tests/helpers/serverProcess';
import { webhookSink } from '@/server/webhookSettings';
import { randomUUID } from 'node:crypto';

jest.setTimeout(90_000);

afterEach(() => killServers());

describe('servers', () => {
  it('that are killed again and again deliver every event of every log, in order', async () => {
    const receiver = await startReceiver();
    const { sink } = webhookSink(receiver.url, undefined);
    const env = { ...externalEnv(thisDatabase()), AUDIT_EVENT_WEBHOOK: receiver.url };
    const other = startServer(env);
    await other.url();
    let victim = startServer(env);
    await victim.url();
    const tenants = Array.from({ length: 6 }, () => randomUUID());
    for (let round = 1; round <= 2; round += 1) {
      const before = receiver.accepted.length;
      for (const tenant of tenants) await writeEvents(tenant, 1200);
      await pollUntil(
        'it is in the middle',
        () => Promise.resolve(receiver.accepted.length),
        (count) => count > before + 4,
        40_000,
      );
      victim.signal('SIGKILL');
      await victim.exited;
      victim = startServer(env);
      await victim.url();
    }
    const sealed = () =>
      ask<{ count: number }>(
        thisDatabase(),
        'SELECT sum(checkpoint_size)::int AS count FROM audit_trees WHERE log_id = ANY ($1)',
        [tenants],
      );
    await pollUntil('all is sealed', sealed, ([row]) => row?.count === 14_400, 30_000);
    // A claim of the one that was killed may have to run out.
    await untilFed(sink, 30_000);
    for (const tenant of tenants) {
      expect(assemble(receiver.accepted, tenant)).toStrictEqual(await idsOf(tenant));
    }
    const began = performance.now();
    for (const server of [victim, other]) server.signal('SIGTERM');
    expect(await Promise.all([victim.exited, other.exited])).toStrictEqual([0, 0]);
    expect(performance.now() - began).toBeLessThan(8000);
    expect(victim.stdout() + other.stdout()).not.toContain(receiver.url);
  });
});
