import { createReadStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { openFileSink } from '@/server/audit/delivery/deliverFile';
import { readNotes, splitLines } from '@/tlog/noteFile';
import { closeLater } from '@/tests/helpers/server/closing';
import { checkpointOf, makeBundle } from '@/tests/helpers/evidence/madeUpBundle';
import { believed, soundPlan as plan } from '@/tests/helpers/evidence/soundPlan';
import { verify } from './verifyFile';

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-torn-'));
closeLater(() => Promise.resolve(rmSync(folder, { recursive: true, force: true })));
const path = join(folder, 'checkpoints.txt');
const [first, second, third] = [60, 70, 80].map((size) => checkpointOf(plan, size)) as [
  string,
  string,
  string,
];

/**
 * Writes the file of a deliverer that was killed after that many bytes of the second note, and goes
 * on after a restart.
 */
async function tear(bytes: number): Promise<void> {
  const whole = Buffer.from(`${first}\n`);
  writeFileSync(path, Buffer.concat([whole, Buffer.from(second).subarray(0, bytes)]));
  const sink = openFileSink({ sink: 'file:test', path });
  await sink.recall?.();
  await sink.send(
    [
      { id: 2, note: second },
      { id: 3, note: third },
    ],
    new AbortController().signal,
  );
}

describe('a checkpoint that the product has written in part', () => {
  it('is passed over wherever it was cut off, and hides no whole one', async () => {
    const length = Buffer.byteLength(second);
    // The note is still readable without its padding and its line break.
    for (let bytes = 1; bytes < length - 2; bytes += 1) {
      await tear(bytes);
      const lines = createInterface({ input: createReadStream(path, 'utf8'), crlfDelay: Infinity });
      const sizes: number[] = [];
      let cut = 0;
      for await (const { checkpoint } of readNotes(lines, () => (cut += 1))) {
        sizes.push(checkpoint.size);
      }
      expect([bytes, cut, ...sizes]).toEqual([bytes, 1, 60, 70, 80]);
    }
  });

  it.each([
    ['after a whole one', `${first}${'\0'.repeat(200)}\n\n${second}`, [60, 70]],
    [
      'after half a one',
      `${first}\n${second.slice(0, 70)}${'\0'.repeat(100)}\n\n${third}`,
      [60, 80],
    ],
    ['right before a whole one', `${first}\n${second.slice(0, 20)}\0${third}`, [60, 80]],
    ['by the megabyte', `${first}\n${second.slice(0, 70)}${'\0'.repeat(1e6)}${third}`, [60, 80]],
    ['at the end', `${first}\n${second}\n${'\0'.repeat(9)}`, [60, 70]],
  ])('is passed over where a power failure left NULs %s', async (_where, text, wanted) => {
    const sizes: number[] = [];
    let cut = 0;
    const pieces = Readable.from(text.match(/[^]{1,4000}/g) ?? [], { objectMode: true });
    for await (const { checkpoint } of readNotes(splitLines(pieces), () => (cut += 1))) {
      sizes.push(checkpoint.size);
    }
    expect(sizes).toEqual(wanted);
    expect(cut).toBe(1);
  });

  it.each([3, 44, 60, 95, 96, 98, 120, 200])(
    'leaves an honest bundle sound: %i bytes',
    async (bytes) => {
      await tear(bytes);
      const given = { ...believed, earlier: [readFileSync(path)] };
      const { outcome, text } = await verify(makeBundle(plan), given);
      expect(outcome).toBe('sound');
      expect(text).toMatch(/^ok {4}earlier {6}3 checkpoints of the same history$/m);
      expect(text).toMatch(/note: 1 checkpoint .*cut off by a crash/);
    },
  );

  it('is not taken for one at the end of a file, nor for the lack of a checkpoint', async () => {
    const given = (text: string) => ({ ...believed, earlier: [text] });
    const bundle = makeBundle(plan);
    const { outcome } = await verify(bundle, given(`${first}\n${second.slice(0, 50)}`));
    expect(outcome).toBe('sound');
    await expect(verify(bundle, given(second.slice(0, 50)))).rejects.toThrow(
      /contains no checkpoint/,
    );
  });
});
