import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileSink } from '@/server/config/checkpointSettings';
import { ask } from '@/tests/helpers/database/askDatabase';
import { startReceiver } from '@/tests/helpers/evidence/checkpointReceiver';
import {
  errorsOf,
  hasten,
  openDeliverer,
  signMore,
  signed,
  untilDelivered,
} from '@/tests/helpers/evidence/checkpoints';
import type { SignedRow } from '@/tests/helpers/evidence/checkpoints';
import { closeLater } from '@/tests/helpers/server/closing';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { startTcpProxy } from '@/tests/helpers/http/tcpProxy';
import type { TcpProxy } from '@/tests/helpers/http/tcpProxy';
import { createTestDatabase } from '@/tests/helpers/database/testDatabase';

const LOST =
  'the audit log lacks a checkpoint that was delivered: an older backup was restored, or a failover lost it';

let folder: string;
/** The database in use, behind a proxy, so that another can replace it. */
let live: string;
let proxy: TcpProxy;
let node: ReturnType<typeof openDeliverer> | undefined;
const made: (() => Promise<void>)[] = [];

async function makeDatabase(template?: string): Promise<string> {
  const { url, drop } = await createTestDatabase(template);
  made.push(drop);
  return url;
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-heads-'));
  live = await makeDatabase();
  proxy = await startTcpProxy(live);
  closeLater(() => proxy.close());
});
afterEach(async () => {
  await node?.close();
  node = undefined;
  await proxy.close().catch(() => undefined);
  for (const drop of made.splice(0)) await drop();
  rmSync(folder, { recursive: true });
});

const server = () => process.env['GATEHOUSE_TEST_SERVER'] ?? '';
const nameOf = (url: string) => new URL(url).pathname.slice(1);

/** Runs work while nobody else is connected. */
async function alone<T>(work: () => Promise<T>): Promise<T> {
  proxy.set('refuse');
  await pollUntil(
    'nobody is connected',
    () => ask(server(), 'SELECT pid FROM pg_stat_activity WHERE datname = $1', [nameOf(live)]),
    (rows) => rows.length === 0,
  );
  const result = await work();
  proxy.set('forward');
  return result;
}

const backUp = () => alone(() => makeDatabase(nameOf(live)));

/** Replaces the database by the backup. */
const restore = (backup: string) =>
  alone(async () => {
    const name = nameOf(live);
    await ask(server(), `ALTER DATABASE ${name} RENAME TO ${name}_lost`);
    made.push(() => ask(server(), `DROP DATABASE ${name}_lost WITH (FORCE)`).then(() => undefined));
    await ask(server(), `ALTER DATABASE ${nameOf(backup)} RENAME TO ${name}`);
  });

interface Loss {
  by: string;
  known: { checkpoint: number | null; note: string };
}

const losses = async () => {
  const text = `SELECT details FROM audit_logs WHERE action = 'AUDIT_LOG_ROLLED_BACK' ORDER BY id`;
  return (await ask<{ details: Loss }>(live, text)).map(({ details }) => details);
};
const untilTold = () => pollUntil('the loss is told', losses, (told) => told.length > 0);
const records = (rows: readonly { note: string }[]) => rows.map(({ note }) => `${note}\n`).join('');

/** Two histories that differ after the first rows, which both have. */
interface Histories {
  common: SignedRow[];
  lost: SignedRow[];
}

/** Signs some rows, makes a backup, signs and delivers more, and restores the backup. */
async function loseSome(sink: string, whileAway: () => Promise<unknown>): Promise<Histories> {
  await signMore(5, live);
  await untilDelivered(sink, live);
  const backup = await backUp();
  const common = await signed(live);
  await signMore(4, live);
  await hasten(live);
  await untilDelivered(sink, live);
  const lost = (await signed(live)).slice(common.length);
  await whileAway();
  await restore(backup);
  return { common, lost };
}

describe('a restored backup', () => {
  it('is told once by the process that delivered what it lacks, and its history is delivered on', async () => {
    const receiver = await startReceiver();
    const { sink } = receiver.settings().webhook;
    node = openDeliverer(receiver.settings(), { url: proxy.url });
    const { common, lost } = await loseSome(sink, () => Promise.resolve());
    await untilTold();
    await signMore(6, live);
    await hasten(live);
    await untilDelivered(sink, live);
    const { id, note } = lost.at(-1) as SignedRow;
    expect(await losses()).toStrictEqual([{ by: 'webhook', known: { checkpoint: id, note } }]);
    expect(errorsOf(node.lines).filter((line) => line === LOST)).toHaveLength(1);
    expect(await node.metric('gatehouse_audit_rolled_back_total', {})).toBe(1);
    const now = await signed(live);
    const anew = now.slice(common.length);
    // The ids are assigned again, which is why a receiver has to compare the note.
    expect(anew[0]?.id).toBe(lost[0]?.id);
    expect(anew[0]?.note).not.toBe(lost[0]?.note);
    expect(receiver.accepted.map(({ id, note }) => ({ id, note }))).toStrictEqual([
      ...common,
      ...lost,
      ...anew,
    ]);
  });

  it.each([
    ['while a process runs', false],
    ['between two processes', true],
  ])(
    'is told by the file, %s, once over restarts, and the file has both histories',
    async (_when, restarts) => {
      const file = fileSink(join(folder, 'heads'));
      const settings = { file, webhook: undefined };
      const open = () => (node = openDeliverer(settings, { url: proxy.url }));
      open();
      const { common, lost } = await loseSome(file.sink, async () => {
        if (restarts) await node?.close();
      });
      if (restarts) open();
      await untilTold();
      await node?.close();
      // Nothing was written since, so the file still ends with the lost checkpoints.
      expect(readFileSync(file.path, 'utf8').startsWith(records([...common, ...lost]))).toBe(true);
      open();
      await signMore(6, live);
      await hasten(live);
      await untilDelivered(file.sink, live);
      const { id, note } = lost.at(-1) as SignedRow;
      const known = { checkpoint: restarts ? null : id, note };
      expect(await losses()).toStrictEqual([{ by: 'file', known }]);
      const anew = (await signed(live)).slice(common.length);
      expect(readFileSync(file.path, 'utf8')).toBe(records([...common, ...lost, ...anew]));
    },
  );

  it('of which nothing but the table of deliveries is newer begins from the start', async () => {
    const receiver = await startReceiver();
    const { sink } = receiver.settings().webhook;
    await signMore(3, live);
    await ask(
      live,
      `INSERT INTO checkpoint_deliveries (sink, delivered_id, delivered_note) VALUES ($1, 1000, 'a note of other times')`,
      [sink],
    );
    node = openDeliverer(receiver.settings(), { url: proxy.url });
    await untilTold();
    await untilDelivered(sink, live);
    expect(receiver.accepted.map(({ id, note }) => ({ id, note }))).toStrictEqual(
      await signed(live),
    );
    expect(await losses()).toStrictEqual([
      { by: 'webhook', known: { checkpoint: 1000, note: 'a note of other times' } },
    ]);
  });
});
