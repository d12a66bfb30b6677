import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileSink } from '@/server/config/checkpointSettings';
import { ask } from '@/tests/helpers/database/askDatabase';
import { startReceiver } from '@/tests/helpers/evidence/checkpointReceiver';
import type { Received } from '@/tests/helpers/evidence/checkpointReceiver';
import { signed, thisDatabase, untilDelivered } from '@/tests/helpers/evidence/checkpoints';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { externalEnv, killServers, startServer } from '@/tests/helpers/server/serverProcess';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'gatehouse-heads-'))));
afterEach(async () => {
  await killServers();
  rmSync(folder, { recursive: true });
});

const LEAVE = (count: number) =>
  ask(
    thisDatabase(),
    `INSERT INTO audit_logs (tenant_id, action, outcome, actor, correlation_id)
     SELECT gen_random_uuid(), 'AUTH_LOGOUT', 'success', 'system', 'process' FROM generate_series(1, $1)`,
    [count],
  );

/** A receiver that drops what it has already, as the number and the note say. */
function dropDoubles(received: readonly Received[]) {
  const had = new Map<number, string>();
  for (const { id, note } of received) if (had.get(id) !== note) had.set(id, note);
  return [...had].map(([id, note]) => ({ id, note }));
}

const untilSigned = (count: number) =>
  pollUntil(
    'all is signed',
    signed,
    (all) => all.filter(({ note }) => note !== '').length >= count,
  );

describe('servers', () => {
  it('that are killed again and again deliver every checkpoint, in order, to the file and to the receiver', async () => {
    const receiver = await startReceiver();
    const file = fileSink(join(folder, 'heads'));
    const { sink } = receiver.settings().webhook;
    const env = {
      ...externalEnv(thisDatabase()),
      AUDIT_CHECKPOINT_FILE: file.path,
      AUDIT_CHECKPOINT_WEBHOOK: receiver.url,
    };
    const other = startServer(env);
    await other.url();
    let victim = startServer(env);
    await victim.url();
    for (let round = 1; round <= 2; round += 1) {
      const before = receiver.accepted.length;
      await LEAVE(400);
      await pollUntil(
        'it is in the middle',
        () => Promise.resolve(receiver.accepted.length),
        (count) => count > before + 50,
        40_000,
      );
      victim.signal('SIGKILL');
      await victim.exited;
      victim = startServer(env);
      await victim.url();
    }
    await untilSigned(800);
    await untilDelivered(sink);
    await untilDelivered(file.sink);
    const all = await signed();
    expect(dropDoubles(receiver.accepted)).toStrictEqual(all);
    const notes = readFileSync(file.path, 'utf8').split(/(?<=\n)\n(?=gatehouse\/)/);
    expect([...new Set(notes.map((note) => note.replace(/\n\n$/, '\n')))]).toStrictEqual(
      all.map(({ note }) => note),
    );
    for (const server of [victim, other]) server.signal('SIGTERM');
    expect(await Promise.all([victim.exited, other.exited])).toStrictEqual([0, 0]);
  });

  it('that cannot deliver serve, say so once, and end when they are told to', async () => {
    const receiver = await startReceiver();
    receiver.answer('hang');
    const server = startServer({
      ...externalEnv(thisDatabase()),
      AUDIT_CHECKPOINT_FILE: join(folder, 'no', 'such', 'heads'),
      AUDIT_CHECKPOINT_WEBHOOK: receiver.url,
    });
    const url = await server.url();
    await pollUntil(
      'it hangs',
      () => Promise.resolve(receiver.refused.length),
      (count) => count > 0,
    );
    await pollUntil(
      'it is said',
      () => Promise.resolve(server.stdout()),
      (said) => said.includes('checkpoints cannot be delivered'),
    );
    expect(server.stdout()).not.toContain(receiver.url);
    expect((await fetch(`${url}/health/ready`)).status).toBe(200);
    const text = await (await fetch(`${url}/metrics`)).text();
    expect(text).toMatch(/^gatehouse_checkpoints_behind\{sink="webhook"\} [1-9]/m);
    expect(text).toMatch(
      /^gatehouse_checkpoint_deliveries_total\{sink="file",outcome="failed"\} /m,
    );
    server.signal('SIGTERM');
    expect(await server.exited).toBe(0);
  });
});
