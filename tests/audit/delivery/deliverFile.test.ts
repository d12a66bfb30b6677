import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileSink } from '@/server/config/checkpointSettings';
import { ask } from '@/tests/helpers/database/askDatabase';
import {
  errorsOf,
  hasten,
  openDeliverer,
  signMore,
  signed,
  standing,
  thisDatabase,
  untilDelivered,
  untilFailed,
} from '@/tests/helpers/evidence/checkpoints';
import { pollUntil } from '@/tests/helpers/time/pollUntil';

let folder: string;
let path: string;
let node: ReturnType<typeof openDeliverer> | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-heads-'));
  path = join(folder, 'heads');
});
afterEach(async () => {
  await node?.close();
  node = undefined;
  rmSync(folder, { recursive: true });
});

const settings = () => ({ file: fileSink(path), webhook: undefined });
const sink = () => fileSink(path).sink;
const open = () => (node = openDeliverer(settings()));
const read = () => readFileSync(path, 'utf8');
const records = (rows: readonly { note: string }[]) => rows.map(({ note }) => `${note}\n`).join('');
const noted = (id: number | undefined) =>
  ask(
    thisDatabase(),
    `UPDATE checkpoint_deliveries SET delivered_id = $2, delivered_note = (SELECT note FROM audit_checkpoints WHERE id = $2)
     WHERE sink = $1`,
    [sink(), id],
  );

describe('a file', () => {
  it('holds thousands of checkpoints, each once, in the order in which they were signed', async () => {
    await signMore(2500);
    open();
    await untilDelivered(sink());
    await signMore(3);
    await untilDelivered(sink());
    const all = await signed();
    expect(all.length).toBeGreaterThanOrEqual(2503);
    expect(read()).toBe(records(all));
  });

  it('is named by the machine and its path', () => {
    expect(fileSink('/var/heads', 'node-1').sink).toBe('file:node-1:/var/heads');
  });

  it('at another path begins from the start', async () => {
    await signMore(1);
    open();
    await untilDelivered(sink());
    await node?.close();
    path = join(folder, 'other');
    open();
    await untilDelivered(sink());
    expect(read()).toBe(records(await signed()));
  });

  it('is written by several processes of a machine, each checkpoint once', async () => {
    await signMore(700);
    const nodes = [1, 2].map(() => openDeliverer(settings()));
    for (let round = 0; round < 5; round += 1) await signMore(50);
    await untilDelivered(sink());
    await Promise.all(nodes.map((one) => one.close()));
    expect(read()).toBe(records(await signed()));
  });
});

describe('after a crash', () => {
  it('between the file and the note of it nothing is written twice', async () => {
    await signMore(20);
    open();
    await untilDelivered(sink());
    await node?.close();
    await noted((await signed()).at(-15)?.id);
    open();
    await untilDelivered(sink());
    await signMore(2);
    await untilDelivered(sink());
    expect(read()).toBe(records(await signed()));
  });

  it.each([
    ['in a line', 30],
    ['in the signature', 200],
    ['between the two halves of a note', 87],
    ['before the empty line', -1],
  ])('that cut a note off %s, the next stands apart and whole', async (_where, cut) => {
    await signMore(3);
    open();
    await untilDelivered(sink());
    await node?.close();
    const all = await signed();
    const [last] = all.slice(-1);
    if (!last) throw new Error('nothing is signed');
    const record = `${last.note}\n`;
    const whole = cut < 0;
    const torn = record.slice(0, cut);
    truncateSync(path, Buffer.byteLength(records(all.slice(0, -1))));
    appendFileSync(path, torn);
    await noted(all.at(-2)?.id);
    open();
    await untilDelivered(sink());
    await signMore(1);
    await untilDelivered(sink());
    const rest = whole ? (await signed()).slice(-1) : (await signed()).slice(-2);
    const text = read();
    expect(text.startsWith(records(all.slice(0, -1)) + torn)).toBe(true);
    expect(text.endsWith(`\n\n${records(rest)}`)).toBe(true);
    expect(text.match(/^gatehouse\/\S{36}\n\d+\n\S{44}\n\n— \S+ \S{92}\n$/gm)).toHaveLength(
      (await signed()).length,
    );
  });
});

describe('a file that cannot be written', () => {
  it.each([
    [
      'whose folder is missing',
      () => (path = join(folder, 'later', 'heads')),
      'ENOENT',
      () => mkdirSync(dirname(path)),
    ],
    ['that is a folder', () => mkdirSync(path), 'EISDIR', () => rmSync(path, { recursive: true })],
    [
      'whose folder is a file',
      () => {
        path = join(folder, 'heads', 'heads');
        writeFileSync(dirname(path), '');
      },
      'ENOTDIR',
      () => {
        rmSync(dirname(path));
        mkdirSync(dirname(path));
      },
    ],
  ])(
    '%s is complained of once, and has everything once it can be',
    async (_what, spoil, reason, mend) => {
      await signMore(5);
      spoil();
      const { lines, metric } = open();
      await untilFailed(sink());
      await hasten();
      expect(await untilFailed(sink(), 2)).toMatchObject({ last_error: reason, delivered_id: '0' });
      expect(errorsOf(lines)).toHaveLength(1);
      expect(
        await metric('gatehouse_checkpoint_deliveries_total', { sink: 'file', outcome: 'failed' }),
      ).toBeGreaterThanOrEqual(2);
      await signMore(2);
      mend();
      await hasten();
      await untilDelivered(sink());
      expect(read()).toBe(records(await signed()));
    },
  );

  it('is never one that is no plain file', async () => {
    path = '/dev/null';
    await signMore(1);
    open();
    expect((await untilFailed(sink()))?.last_error).toBe('NOT_A_FILE');
  });
});

describe('a file that somebody', () => {
  beforeEach(async () => {
    await signMore(4);
    open();
    await untilDelivered(sink());
  });

  it('moves away is begun anew where the old one ends, and that is said', async () => {
    const before = await signed();
    renameSync(path, `${path}.1`);
    await signMore(2);
    await untilDelivered(sink());
    expect(readFileSync(`${path}.1`, 'utf8')).toBe(records(before));
    expect(read()).toBe(records((await signed()).slice(-2)));
    expect(node?.lines.map(({ msg }) => msg)).toContain(
      'the file of checkpoints is empty: it is written again from the beginning',
    );
  });

  it('puts an older copy in the place of gets what the copy lacks', async () => {
    const before = await signed();
    writeFileSync(path, records(before.slice(0, -3)));
    await signMore(1);
    await untilDelivered(sink());
    expect(read()).toBe(records(await signed()));
  });

  it('writes into keeps what they wrote', async () => {
    const before = await signed();
    appendFileSync(path, 'seen by the auditor');
    await signMore(1);
    await untilDelivered(sink());
    expect(read()).toBe(
      `${records(before)}seen by the auditor\n\n${records((await signed()).slice(-1))}`,
    );
  });
});

describe('a file that is lost', () => {
  it('has everything again after the next start', async () => {
    await signMore(3);
    open();
    await untilDelivered(sink());
    await node?.close();
    rmSync(path);
    open();
    await pollUntil('it is whole', () => Promise.resolve(existsSync(path) && read()), Boolean);
    await untilDelivered(sink());
    expect(read()).toBe(records(await signed()));
  });

  it('is not mixed up with that of a machine of the same name', async () => {
    const files = ['one', 'two'].map((name) => ({
      sink: 'file:same:/heads',
      path: join(folder, name),
    }));
    const turns = files.map((file) => () => openDeliverer({ file, webhook: undefined }));
    for (let round = 0; round < 2; round += 1) {
      for (const turn of turns) {
        const one = turn();
        await signMore(2);
        await untilDelivered('file:same:/heads');
        expect(readFileSync(files[turns.indexOf(turn)]?.path ?? '', 'utf8')).toBe(
          records(await signed()),
        );
        await one.close();
      }
    }
  });
});

describe('what another machine of the same name was given', () => {
  it('is missed by nobody: the file that was written here says what it lacks', async () => {
    await signMore(1);
    open();
    await untilDelivered(sink());
    const claim = (by: string) =>
      ask(
        thisDatabase(),
        `UPDATE checkpoint_deliveries SET claimed_by = ${by}, claimed_until = now() + interval '1 hour' WHERE sink = $1`,
        [sink()],
      );
    await claim('gen_random_uuid()');
    await signMore(3);
    await noted((await signed()).at(-1)?.id);
    await claim('NULL');
    await signMore(1);
    await untilDelivered(sink());
    expect(read()).toBe(records(await signed()));
  });
});

describe('the start', () => {
  it('makes the file, so that what is wrong with it is known before it is needed', async () => {
    open();
    await pollUntil('it is there', () => Promise.resolve(existsSync(path)), Boolean);
    await pollUntil(
      'it is noted',
      () => standing(sink()),
      (row) => row?.claimed_by === null,
    );
  });
});
