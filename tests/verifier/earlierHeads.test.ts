import {
  checkpointOf,
  makeBundle,
  makeKeys,
  openBundle,
  ORIGIN,
  pack,
  sign,
} from '@/tests/helpers/evidence/madeUpBundle';
import type { BundlePlan } from '@/tests/helpers/evidence/madeUpBundle';
import { believed, events, soundPlan } from '@/tests/helpers/evidence/soundPlan';
import { verify } from './verifyFile';

const plan: BundlePlan = { ...soundPlan, earlier: [125, 120, 60, 9, 5] };
const bundle = makeBundle(plan);
const against = (...earlier: (Buffer | string)[]) => verify(bundle, { ...believed, earlier });

describe('an earlier checkpoint of the same history', () => {
  it.each([
    ['within the stretch', 60],
    ['where the stretch begins', 15],
    ['where it ends', 115],
    ['that a proof leads from', 9],
    ['behind the stretch, that a proof leads from', 120],
    ['the same', 130],
  ])('fits: %s', async (_name, size) => {
    const { found, text } = await against(checkpointOf(plan, size));
    expect(found).toEqual([]);
    expect(text).toMatch(/ok {4}earlier {6}1 checkpoint of the same history/);
  });

  it('fits where it is in a bundle, or one of many in a file with those of other logs', async () => {
    const earlier = makeBundle({ ...plan, events: events.slice(0, 60), earlier: [] });
    expect((await against(earlier)).found).toEqual([]);
    const other = checkpointOf(plan, 9).replaceAll(ORIGIN, `${ORIGIN.slice(0, -1)}b`);
    const file = [
      other,
      checkpointOf(plan, 60),
      checkpointOf(plan, 3),
      checkpointOf(plan, 80),
    ].join('\n');
    const { found, text } = await against(file);
    expect(found).toEqual([]);
    expect(text).toMatch(/2 checkpoints of the same history/);
    expect(text).toMatch(/cannot confirm or refute 1 given checkpoint/);
  });
});

describe('an earlier checkpoint of another history', () => {
  /** The vendor has the key, and signs a history that was rewritten from that event on. */
  const rewritten = events.map((event) =>
    event.leaf_index === 50 ? { ...event, actor: 'nobody' } : event,
  );
  const forged = makeBundle({ ...plan, events: rewritten });

  it('is the only thing that finds what the holder of the key has rewritten and signed anew', async () => {
    expect((await verify(forged, believed)).found).toEqual([]);
    for (const size of [60, 115, 120, 130]) {
      const given = { ...believed, earlier: [checkpointOf(plan, size)] };
      expect((await verify(forged, given)).found).toEqual([`earlier_root leaf ${size}`]);
    }
    const earlier = [makeBundle({ ...plan, events: events.slice(0, 90), earlier: [] })];
    expect((await verify(forged, { ...believed, earlier })).found).toEqual([
      'earlier_root leaf 90',
    ]);
  });

  it.each([
    ['a text', 'nothing of that kind'],
    ['an empty file', ''],
    ['a ZIP file that is cut off', bundle.subarray(0, 3000)],
  ])('is no answer at all where it is none: %s', async (_name, earlier) => {
    await expect(against(earlier)).rejects.toThrow(
      /contains (neither checkpoints nor|no checkpoint)/,
    );
  });
});

describe('the heads of earlier bundles', () => {
  interface Growth {
    from: { rootHash: string; checkpoint: string; hashes: string[]; size: number }[];
  }
  function change(how: (growth: Growth) => void): Buffer {
    const open = openBundle(plan);
    const growth = JSON.parse(open.files.get('consistency.json')?.toString() ?? '') as Growth;
    how(growth);
    open.files.set('consistency.json', Buffer.from(JSON.stringify(growth)));
    return pack(sign(open));
  }

  it('are each proven: a proof that leads elsewhere is named', async () => {
    const wrong = change(({ from }) => void from[3]?.hashes.reverse());
    const { found } = await verify(wrong, believed);
    expect(found).toEqual(['consistency_proof consistency.json row 4']);
  });

  it('are held against the leaves: history that was rewritten since is found without any checkpoint', async () => {
    const was = { ...plan, events: events.map((event) => ({ ...event, country: 'FR' })) };
    const stale = checkpointOf(was, 60);
    const rewritten = change(({ from }) => {
      const head = from[2];
      if (head) Object.assign(head, { checkpoint: stale, rootHash: stale.split('\n')[2] });
    });
    const { found } = await verify(rewritten, believed);
    expect(found).toEqual(Array(2).fill('consistency_proof consistency.json row 3'));
  });

  it('are named where their notes are not what is said of them, or not signed', async () => {
    const renamed = change(({ from }) => from[0] && (from[0].size = 124));
    expect((await verify(renamed, believed)).found).toEqual([
      'consistency_malformed consistency.json',
    ]);
    const forged = change(({ from }) => {
      const [head] = from;
      if (head) head.checkpoint = head.checkpoint.replace(/.{9}\n$/, 'AAAAAAAA=\n');
    });
    expect((await verify(forged, believed)).found).toEqual([
      'consistency_signature consistency.json row 1',
    ]);
  });

  it.each([
    ['with the key', believed],
    ['without one', undefined],
  ])('are no fault of the bundle if an older key has signed them: %s', async (_name, given) => {
    const old = makeKeys();
    const unsigned = change(({ from }) => {
      const [head] = from;
      if (head) head.checkpoint = checkpointOf({ ...plan, keys: old }, 125);
    });
    const { found, text } = await verify(unsigned, given);
    expect(found).toEqual([]);
    expect(text).toMatch(/note: 1 head of earlier bundles/);
  });
});
