import {
  makeBundle,
  makeKeys,
  openBundle,
  pack,
  sign,
} from '@/tests/helpers/evidence/madeUpBundle';
import type { BundlePlan } from '@/tests/helpers/evidence/madeUpBundle';
import { believed, events, keys, soundPlan as plan } from '@/tests/helpers/evidence/soundPlan';
import { verify } from './verifyFile';

const on = (day: string, more: Partial<BundlePlan> = {}): BundlePlan => ({
  ...{ ...plan, range: { from: day, to: day } },
  ...more,
});
const asOf = (of: BundlePlan, moment: string) => {
  const open = openBundle(of);
  return pack(sign({ ...open, manifest: { ...open.manifest, asOf: moment } }));
};
/** All of 2 March, which is leaves 15 to 116, with a proof from the head of 6 events. */
const bundle = makeBundle({ ...plan, earlier: [6] });
const against = (...earlier: (Buffer | string)[]) => verify(bundle, { ...believed, earlier });

describe('bundles of one log whose ranges touch', () => {
  it('meet if nobody has cut one off, and the report says so', async () => {
    const { found, outcome, text } = await against(
      ...[makeBundle(on('2026-03-01')), makeBundle(on('2026-03-03')), bundle],
    );
    expect([found, outcome]).toEqual([[], 'sound']);
    expect(text).toMatch(
      /^ok {4}earlier {6}3 checkpoints of the same history; no leaf is missing between 3 bundles and this one$/m,
    );
  });

  it.each([
    ['the sooner one was cut off', on('2026-03-01', { last: 10 }), 11],
    ['the later one was cut off', on('2026-03-03', { first: 120 }), 117],
  ])('are not sound if %s', async (_if, other, leaf) => {
    const { found, outcome } = await against(makeBundle(other));
    expect(found).toContain(`bundle_gap leaf ${leaf}`);
    expect(outcome).toBe('not_sound');
  });

  it('may be apart if the sooner one was made before its range had ended: a notice tells it', async () => {
    const other = on('2026-03-01', { events: events.slice(0, 6) });
    const { outcome, text } = await against(asOf(other, '2026-03-01T21:30:00.000Z'));
    expect(outcome).toBe('sound');
    expect(text).toMatch(/note: Leaves 6 to 14 are neither .* made before its range had ended/);
    const late = await against(asOf(other, '2026-03-02T00:06:00.000Z'));
    expect(late.found).toEqual(['bundle_gap leaf 6']);
  });

  it('are not asked to meet if days lie between them', async () => {
    const other = { ...plan, range: { from: '2026-02-01', to: '2026-02-28' }, first: 0, last: 5 };
    const { outcome, text } = await against(makeBundle(other));
    expect(outcome).toBe('sound');
    expect(text).toMatch(/note: The range of .*, 2026-02-01 to 2026-02-28, does not touch/);
  });

  const cut = openBundle(on('2026-03-01', { last: 10 }));
  it.each([
    ['not signed', sign(cut).set('manifest.sig', Buffer.from('x'))],
    ['changed', sign(cut).set('manifest.json', Buffer.from('{}'))],
    ['signed by somebody else', sign(cut, makeKeys())],
  ])('are not compared by a manifest that was %s', async (_how, files) => {
    const { found, text } = await against(pack(files));
    expect(found).toEqual([]);
    expect(text).toMatch(/note: It is unknown whether leaves are missing between .*\.zip and/);
    expect(text).not.toMatch(/no leaf is missing/);
  });
});

describe('an event that this bundle shows beside its range', () => {
  it('is missed in the bundle of its own range, if that had it in its log', async () => {
    const { found } = await against(makeBundle(on('2026-03-01', { last: 14 })));
    expect(found).toEqual([
      'bundle_lacks audit-log-edges.csv row 1 leaf 15',
      'bundle_lacks audit-log-edges.csv row 2 leaf 17',
    ]);
  });

  it('may be missed in a bundle of format 1, which did not take in every late event', async () => {
    const older = makeBundle(on('2026-03-01', { last: 14, bundleFormat: 1 }));
    expect((await against(older)).found).toEqual([]);
  });

  it('is told of by a notice if it came after the bundle of its range was made', async () => {
    const other = on('2026-03-01', { events: events.slice(0, 15) });
    const { outcome, text } = await against(makeBundle(other));
    expect(outcome).toBe('sound');
    expect(text).toMatch(/note: 2 events of this bundle occurred in the range of .* came after/);
  });
});

describe('a signer who also sets the clock', () => {
  const day = (minutes: number) => new Date(Date.UTC(2026, 2, 2, 0, minutes)).toISOString();
  /**
   * Minutes of 2 March: two batches after midnight, the clock set back, and three events that
   * should be hidden.
   */
  const minutes = [-60, 500, 530, 1450, 1451, 541, 600, 1430, 1452, 1455, 1460];
  const sealed = minutes.flatMap((at, leaf) => {
    const event = events[leaf];
    return event ? [{ ...event, occurred_at: day(at), sealed_at: day(at) }] : [];
  });
  const cut: BundlePlan = { events: sealed, keys, first: 0, last: 4 };
  const next: BundlePlan = { ...on('2026-03-03'), events: sealed, first: 7, last: 10 };

  it('can cut a range in a bundle that is sound by itself, and is found by the bundle of the next range', async () => {
    const [one, other] = [makeBundle(cut), makeBundle(next)];
    expect((await verify(one, believed)).outcome).toBe('sound');
    expect((await verify(other, believed)).outcome).toBe('sound');
    const { found } = await verify(other, { ...believed, earlier: [one] });
    const lacks = 'bundle_lacks audit-log-edges.csv row 1 leaf 7';
    expect(found.sort()).toEqual(['bundle_gap leaf 5', lacks]);
    const back = await verify(one, { ...believed, earlier: [other] });
    expect(back.found).toContain('bundle_gap leaf 5');
  });
});
