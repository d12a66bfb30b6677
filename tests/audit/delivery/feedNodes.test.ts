import { randomUUID } from 'node:crypto';
import { ask, withConnection } from '@/tests/helpers/database/askDatabase';
import { startReceiver } from '@/tests/helpers/evidence/checkpointReceiver';
import type { Receiver } from '@/tests/helpers/evidence/checkpointReceiver';
import { errorsOf, seal, thisDatabase } from '@/tests/helpers/evidence/checkpoints';
import {
  assemble,
  cursorOf,
  hastenFeed,
  idsOf,
  openFeed,
  sealEvents,
  toBatch,
  untilFed,
  writeEvents,
} from '@/tests/helpers/evidence/openFeed';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { AUDIT_TRIGGERS_OFF, AUDIT_TRIGGERS_ON } from '@/tests/helpers/database/auditTriggers';

const LOST =
  'the audit log lacks an event that was delivered: an older backup was restored, or a failover lost it';

let receiver: Receiver;
const nodes: Awaited<ReturnType<typeof openFeed>>[] = [];

beforeEach(async () => {
  await seal();
  receiver = await startReceiver();
});
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.close()));
});

async function open() {
  const node = await openFeed(receiver.url);
  nodes.push(node);
  return node;
}
const batchesOf = (log: string) => receiver.accepted.map(toBatch).filter((one) => one.log === log);

const claim = (sink: string, log: string, until: string) =>
  ask(
    thisDatabase(),
    `INSERT INTO event_deliveries (sink, log_id, claimed_by, claimed_until) VALUES ($1, $2, gen_random_uuid(), now() + $3::interval)
     ON CONFLICT (sink, log_id) DO UPDATE SET claimed_by = excluded.claimed_by, claimed_until = excluded.claimed_until`,
    [sink, log, until],
  );

describe('several nodes', () => {
  it('at once give each event to a receiver once, a log to one of them at a time', async () => {
    const [first] = await Promise.all([open(), open(), open()]);
    const tenants = await sealEvents(Array.from({ length: 12 }, (_, at) => at * 120 + 1));
    await untilFed(first.sink);
    for (const tenant of tenants) {
      expect(batchesOf(tenant).flatMap(({ ids }) => ids)).toStrictEqual(await idsOf(tenant));
    }
  });

  it('wait for a claim to run out, and for no longer', async () => {
    const { sink } = await open();
    const tenant = randomUUID();
    await claim(sink, tenant, '1 hour');
    await writeEvents(tenant, 2);
    const [other = ''] = await sealEvents([1]);
    await pollUntil(
      'the other is there',
      () => cursorOf(sink, other),
      (row) => row?.next_leaf === '1',
    );
    expect(batchesOf(tenant)).toStrictEqual([]);
    await claim(sink, tenant, '-1 second');
    await untilFed(sink);
    expect(assemble(receiver.accepted, tenant)).toStrictEqual(await idsOf(tenant));
  });

  it('note nothing over the notes of whoever has taken over', async () => {
    const { sink } = await open();
    const tenant = randomUUID();
    receiver.answer(async (one) => {
      if (toBatch(one).log === tenant) await claim(sink, tenant, '1 hour');
      return { status: 204 };
    });
    await writeEvents(tenant, 2);
    await seal();
    await pollUntil(
      'it is sent',
      () => Promise.resolve(batchesOf(tenant)),
      (all) => all.length > 0,
    );
    const [later = ''] = await sealEvents([1]);
    await pollUntil(
      'it goes on',
      () => cursorOf(sink, later),
      (row) => row?.next_leaf === '1',
    );
    expect(await cursorOf(sink, tenant)).toMatchObject({ next_leaf: '0' });
    receiver.accept();
    await claim(sink, tenant, '-1 second');
    await untilFed(sink);
    expect(batchesOf(tenant).map(({ first }) => first)).toStrictEqual([0, 0]);
  });
});

/**
 * Changes rows as an owner can, bypassing the triggers that would refuse it. All statements are
 * one transaction, as a restored backup is one state: the feed acts on each state that it sees.
 */
const tamper = (statements: readonly string[], values: unknown[]) =>
  withConnection(thisDatabase(), async (client) => {
    await client.query(
      `BEGIN; SET LOCAL session_replication_role = replica; ${AUDIT_TRIGGERS_OFF}`,
    );
    for (const text of statements) await client.query(text, values);
    await client.query(`${AUDIT_TRIGGERS_ON}; COMMIT`);
  });

const losses = async (): Promise<unknown[]> => {
  const text = `SELECT details->'leaf' AS leaf FROM audit_logs WHERE action = 'AUDIT_LOG_ROLLED_BACK' AND details->>'by' = 'feed' ORDER BY id`;
  return (await ask<{ leaf: unknown }>(thisDatabase(), text)).map(({ leaf }) => leaf);
};

describe('a log that is older than what was delivered', () => {
  it('is told of once by the process that delivered it, and goes on', async () => {
    const { sink, lines, metrics } = await open();
    const [tenant = ''] = await sealEvents([5]);
    await untilFed(sink);
    const [delivered] = batchesOf(tenant);
    const before = (await losses()).length;
    // Restores the state of a backup from two events ago, including the feed's own tables.
    const restore = [
      'DELETE FROM audit_leaves WHERE log_id = $1 AND leaf_index >= 3',
      'DELETE FROM audit_checkpoints WHERE log_id = $1',
      `UPDATE audit_trees SET size = 3, checkpoint_size = 3 WHERE log_id = $1`,
      `UPDATE event_deliveries SET next_leaf = 3, signed_size = 3,
         last_hash = (SELECT leaf_hash FROM audit_leaves WHERE log_id = $1 AND leaf_index = 2) WHERE log_id = $1`,
    ];
    await tamper(restore, [tenant]);
    const told = await pollUntil('it is told', losses, (all) => all.length > before);
    expect(told.slice(before)).toStrictEqual([
      { logId: tenant, leafIndex: 4, leafHash: delivered?.hash },
    ]);
    expect(await metrics.auditRolledBack.get()).toMatchObject({ values: [{ value: 1 }] });
    expect(errorsOf(lines)).toStrictEqual([LOST]);
    const [later = ''] = await sealEvents([2]);
    await untilFed(sink);
    expect(assemble(receiver.accepted, later)).toStrictEqual(await idsOf(later));
    expect(await losses()).toHaveLength(before + 1);
  });

  it.each([
    ['ends before the cursor', 1000],
    ['has another event there', 2],
  ])('which %s is told of and sent from its beginning', async (_what, next) => {
    const { sink, lines } = await open();
    const [tenant = ''] = await sealEvents([3]);
    await untilFed(sink);
    const before = (await losses()).length;
    await ask(
      thisDatabase(),
      'UPDATE event_deliveries SET next_leaf = $3, last_hash = $4 WHERE sink = $1 AND log_id = $2',
      [sink, tenant, next, Buffer.alloc(32, 7)],
    );
    await untilFed(sink);
    const leafHash = Buffer.alloc(32, 7).toString('base64');
    expect((await losses()).slice(before)).toStrictEqual([
      { logId: tenant, leafIndex: next - 1, leafHash },
    ]);
    expect(errorsOf(lines)).toStrictEqual([LOST]);
    expect(batchesOf(tenant).map(({ first, last }) => [first, last])).toStrictEqual([
      [0, 2],
      [0, 2],
    ]);
  });
});

it('a log of which an event is gone says so and waits before it; the others go on', async () => {
  const { sink, lines } = await open();
  const tenant = randomUUID();
  receiver.answer({ status: 500 });
  await writeEvents(tenant, 4);
  const [other = ''] = await sealEvents([1]);
  const third = (await idsOf(tenant))[2];
  await tamper(['DELETE FROM audit_logs WHERE id = $1'], [third]);
  receiver.accept();
  await hastenFeed();
  const row = await pollUntil(
    'it is noted',
    () => cursorOf(sink, tenant),
    (one) => one?.last_error === 'EVENT_MISSING',
  );
  expect(row?.next_leaf).toBe('2');
  expect(batchesOf(tenant).flatMap(({ ids }) => ids)).toStrictEqual(
    (await idsOf(tenant)).slice(0, 2),
  );
  await pollUntil(
    'the other is there',
    () => cursorOf(sink, other),
    (one) => one?.next_leaf === '1',
  );
  expect(errorsOf(lines)).toContain(
    'audit events of a log cannot be delivered: this log waits, the others go on',
  );
});
