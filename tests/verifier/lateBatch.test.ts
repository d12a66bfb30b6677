import { makeBundle, makeEvents, makeKeys, vkeyOf } from '@/tests/helpers/evidence/madeUpBundle';
import type { BundlePlan } from '@/tests/helpers/evidence/madeUpBundle';
import { verify } from './verifyFile';

const keys = makeKeys();
const believed = { keys: [vkeyOf(keys)] };
const day = (minutes: number) => new Date(Date.UTC(2026, 2, 2) + minutes * 60_000).toISOString();
/**
 * Makes leaves from the times of event and sealing, in minutes of 2 March, which ends after 1440.
 */
const log = (...leaves: [occurred: number, sealed: number][]) => {
  const made = makeEvents(leaves.length);
  return leaves.map(([occurred, sealed], leaf) => {
    const event = made[leaf];
    if (!event) throw new Error(`no leaf ${leaf}`);
    return { ...event, occurred_at: day(occurred), sealed_at: day(sealed) };
  });
};

/** The sealer did not run from 21:00 until two hours after midnight. */
const stoodStill = log(
  ...([
    [-60, -60],
    [1200, 1201],
    [1210, 1211],
    // One batch in the order of transactions: one event of the next day, and after it six of 2
    // March.
    [1470, 1560],
    ...[1380, 1390, 1400, 1410, 1420, 1430].map((occurred) => [occurred, 1560]),
    [1561, 1562],
    [1561, 1562],
    [1563, 1564],
    [1565, 1566],
  ] as [number, number][]),
);
const plan: BundlePlan = { events: stoodStill, keys };

describe('an exporter with the key', () => {
  it.each([
    ['the first leaf of the late batch: six of the eight events of the day are missing', 3],
    ['a leaf within the late batch', 6],
    ['the last leaf of the late batch', 9],
    ['the second leaf of the batch after it', 11],
  ])('cannot cut the end of a range off at %s', async (_name, last) => {
    const { found, outcome } = await verify(makeBundle({ ...plan, last }), believed);
    expect(found).toEqual([expect.stringMatching(new RegExp(`^range_open .* leaf ${last}$`))]);
    expect(outcome).toBe('not_sound');
  });

  it.each([
    ['the first leaf of the batch after the late one', 10],
    ['the first leaf of a later batch', 12],
    ['the end of the log', 13],
  ])('ends a complete range at %s', async (_name, last) => {
    const { outcome, text } = await verify(makeBundle({ ...plan, last }), believed);
    expect(outcome).toBe('sound');
    expect(text).toMatch(/^note: 7 events were sealed more than five minutes after they occurred/m);
  });

  it('cannot end it within the last batch of the log, short of the end of the log', async () => {
    const events = stoodStill.slice(0, 10);
    expect((await verify(makeBundle({ ...plan, events }), believed)).outcome).toBe('sound');
    const { found } = await verify(makeBundle({ ...plan, events, last: 8 }), believed);
    expect(found).toEqual([expect.stringMatching(/^range_open .* leaf 8$/)]);
  });

  /** An event may claim a time up to five minutes after its sealing without an objection. */
  const early = log([-20, -20], [-9, -9], [1, -3], [-2, -2], [10, 10], [1446, 1446], [1450, 1450]);

  it('cannot cut the beginning off behind an event that was sealed moments before it occurred', async () => {
    const of = { ...plan, events: early };
    expect((await verify(makeBundle(of), believed)).outcome).toBe('sound');
    const { found } = await verify(makeBundle({ ...of, first: 3 }), believed);
    expect(found).toEqual([expect.stringMatching(/^range_open .* leaf 3$/)]);
  });

  it('gets a bundle of format 1 judged by the rules of format 1, and the report says so in its last line', async () => {
    const { outcome, text } = await verify(makeBundle({ ...plan, bundleFormat: 1 }), believed);
    expect(outcome).toBe('sound');
    expect(text).toMatch(
      /is sound by the rules of format 1, and signed by a key that you gave\.\n$/,
    );
    expect(text).toMatch(
      /note: The bundle has format 1: .* can be missing at the end of the range/,
    );
  });
});
