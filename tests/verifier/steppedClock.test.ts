import { makeBundle, makeEvents, makeKeys, vkeyOf } from '@/tests/helpers/evidence/madeUpBundle';
import { verify } from './verifyFile';

const keys = makeKeys();
const believed = { keys: [vkeyOf(keys)] };
const day = (minutes: number, ms = 0) =>
  new Date(Date.UTC(2026, 2, 2) + minutes * 60_000 + ms).toISOString();

/** Makes leaves from the times of event and sealing, in minutes of 2 March plus milliseconds. */
const log = (...leaves: [occurred: number, sealed: number, more?: number][]) => {
  const made = makeEvents(leaves.length);
  return leaves.map(([occurred, sealed, more], leaf) => {
    const event = made[leaf];
    if (!event) throw new Error(`no leaf ${leaf}`);
    return { ...event, occurred_at: day(occurred), sealed_at: day(sealed, more) };
  });
};

/**
 * At nine in the morning the clock shows ten past midnight for two batches, and is then set back.
 */
const AHEAD: [number, number][] = [
  ...([-60, 500, 530, 1450, 1451] as const).map((at): [number, number] => [at, at]),
];
const LATER: [number, number][] = [1452, 1455, 1460].map((at) => [at, at]);
/** Returns the bundle as the server makes it, with every event that claims a time in the range. */
const whole = (events: ReturnType<typeof log>) =>
  makeBundle({ events, keys, first: 0, last: events.length - 1 });
const CLOCK = 'note: The clock of the sealer was stepped back 1 time.';

describe('a log whose clock was set ahead for two batches, and put back', () => {
  it('is sound if its times of sealing ascend by a millisecond until the clock has caught up, and that is told', async () => {
    const behind = [541, 600, 900, 1300].map((at, index): [number, number, number] => [
      ...([at, 1451, index + 1] as const),
    ]);
    const events = log(...AHEAD, ...behind, ...LATER);
    const { found, outcome, text } = await verify(whole(events), believed);
    expect([found, outcome]).toEqual([[], 'sound']);
    expect(text).toContain(CLOCK);
    expect(text).toContain('4 events were sealed more than five minutes after they occurred');
  });

  it('is sound if its times of sealing fall, as earlier releases sealed it, and that is told', async () => {
    const behind = [541, 600, 900, 1300].map((at): [number, number] => [at, at]);
    const events = log(...AHEAD, ...behind, ...LATER);
    const { found, outcome, text } = await verify(whole(events), believed);
    expect([found, outcome]).toEqual([[], 'sound']);
    expect(text).toContain(CLOCK);
  });

  it('is not sound if events of that morning came with a batch that the clock had not fallen behind', async () => {
    const events = log(...AHEAD, [541, 1451], [600, 1451], ...LATER);
    const { found } = await verify(whole(events), believed);
    expect(found).toEqual([
      expect.stringMatching(/^back_dated .* leaf 5$/),
      expect.stringMatching(/^back_dated .* leaf 6$/),
    ]);
  });
});
