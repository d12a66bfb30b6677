import { ask } from '@/tests/helpers/database/askDatabase';
import { startReceiver } from '@/tests/helpers/evidence/checkpointReceiver';
import { thisDatabase } from '@/tests/helpers/evidence/checkpoints';
import { assemble, idsOf, toBatch, untilFed, writeEvents } from '@/tests/helpers/evidence/openFeed';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { externalEnv, killServers, startServer } from '@/tests/helpers/server/serverProcess';
import { webhookSink } from '@/server/config/webhookSettings';
import { randomUUID } from 'node:crypto';

afterEach(() => killServers());

describe('servers', () => {
  it('of which one is killed between an answer and its note of it deliver every event of every log, in order', async () => {
    const receiver = await startReceiver();
    const { sink } = webhookSink(receiver.url, undefined);
    const env = { ...externalEnv(thisDatabase()), AUDIT_EVENT_WEBHOOK: receiver.url };
    const victim = startServer(env);
    await victim.url();
    receiver.answer(async () => {
      if (receiver.accepted.length === 5) {
        victim.signal('SIGKILL');
        await victim.exited;
      }
      return { status: 204 };
    });
    const tenants = Array.from({ length: 6 }, () => randomUUID());
    for (const tenant of tenants) await writeEvents(tenant, 1200);
    await victim.exited;
    const other = startServer(env);
    await other.url();
    const sealed = () =>
      ask<{ count: number }>(
        thisDatabase(),
        'SELECT sum(checkpoint_size)::int AS count FROM audit_trees WHERE log_id = ANY ($1)',
        [tenants],
      );
    await pollUntil('all is sealed', sealed, ([row]) => row?.count === 7200, 30_000);
    // A claim of the one that was killed may have to run out.
    await untilFed(sink, 30_000);
    for (const tenant of tenants) {
      expect(assemble(receiver.accepted, tenant)).toStrictEqual(await idsOf(tenant));
    }
    // What was answered and not noted came again.
    const sent = receiver.accepted.map(toBatch).map(({ log, first }) => `${log} ${first}`);
    expect(new Set(sent).size).toBeLessThan(sent.length);
    other.signal('SIGTERM');
    expect(await other.exited).toBe(0);
    expect(victim.stdout() + other.stdout()).not.toContain(receiver.url);
  });
});
