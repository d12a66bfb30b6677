import { computeAnomalyScoreOptimized } from '@/server/security/computeAnomalyScore';
import { DEFAULT_POLICY } from '@/server/security/risk/riskPolicy';
import { lookForSignals, sumOf, weigh } from '@/server/security/risk/score';
import type { Weights } from '@/server/security/risk/score';
import { SIGNALS } from '@/server/security/risk/signals';
import type { Attempt, History } from '@/server/security/risk/signals';
import { ATTEMPT, HISTORY } from '@/tests/helpers/risk/madeUpAttempt';

const NOW = ATTEMPT.now.getTime();
const DAY_MS = 86_400_000;

/**
 * A person at home in Great Britain, with one laptop and one network, who was here two days ago.
 */
const KNOWN: History = {
  ...HISTORY,
  deviceHashes: new Set(['laptop']),
  countries: new Map([['GB', NOW - 2 * DAY_MS]]),
  networks: new Map([['81.2.0.0/16', NOW - 2 * DAY_MS]]),
  lastLoginAt: NOW - 2 * DAY_MS,
};
const AT_HOME: Attempt = { ...ATTEMPT, country: 'GB', network: '81.2.0.0/16' };
const NEW_PHONE_IN_JAPAN: Attempt = {
  ...ATTEMPT,
  country: 'JP',
  network: '133.11.0.0/16',
  deviceHashes: ['phone'],
};
const EVERYTHING: Attempt = {
  ...NEW_PHONE_IN_JAPAN,
  recentFailures: 8,
  accountsTried: 5,
  lists: ['tor'],
};

async function score(attempt: Attempt, history: History, weights: Weights = {}) {
  const versioned = { version: 1, policy: { ...DEFAULT_POLICY, weights } };
  const deps = {
    riskFacts: { read: () => Promise.resolve(history) },
    riskPolicies: { read: () => Promise.resolve(versioned) },
  };
  const input = { ...attempt, tenantId: 't', staffId: 's' };
  const { score: sum, reasons } = await computeAnomalyScoreOptimized(deps, input);
  return { score: sum, reasons };
}

describe('the sum', () => {
  it.each([
    [[], 0],
    [[25, 35], 60],
    [[35, 35, 30], 100],
    [[35, 35, 31], 100],
    [[100, 100], 100],
  ])('of %p is %i, never above 100', (weights, sum) => {
    expect(sumOf(weights)).toBe(sum);
  });
});

describe('a score', () => {
  it('is 0 where nothing is unusual', async () => {
    expect(await score(AT_HOME, KNOWN)).toEqual({ score: 0, reasons: [] });
  });

  it('is 0 for a new member wherever, whenever and on whatever the first login is', async () => {
    for (let hour = 0; hour < 24; hour += 1) {
      const now = new Date(Date.UTC(2026, 2, 4, hour));
      const first = { ...NEW_PHONE_IN_JAPAN, now };
      expect(await score(first, HISTORY)).toEqual({ score: 0, reasons: [] });
    }
  });

  it('is 60 for a new device in a new country, for these two reasons in this order', async () => {
    expect(await score(NEW_PHONE_IN_JAPAN, KNOWN)).toEqual({
      score: 60,
      reasons: ['NEW_DEVICE', 'NEW_COUNTRY'],
    });
  });

  it('is capped at 100, and gives every reason all the same', async () => {
    expect(await score(EVERYTHING, KNOWN)).toEqual({
      score: 100,
      reasons: ['NEW_DEVICE', 'NEW_COUNTRY', 'FAILED_ATTEMPTS_MANY', 'SPRAY', 'IP_ON_LIST'],
    });
  });

  it("takes a tenant's weights in place of its own", async () => {
    // 5 + 17, and 0 of the new network's 10, because a new country covers it.
    const weights = { NEW_DEVICE: 5, NEW_COUNTRY: 17 };
    expect((await score(NEW_PHONE_IN_JAPAN, KNOWN, weights)).score).toBe(22);
  });

  it('leaves out a signal of weight 0, which then covers no other', async () => {
    expect(await score(NEW_PHONE_IN_JAPAN, KNOWN, { NEW_COUNTRY: 0 })).toEqual({
      score: 35,
      reasons: ['NEW_DEVICE', 'NEW_NETWORK'],
    });
    expect(await score(NEW_PHONE_IN_JAPAN, KNOWN, { NEW_COUNTRY: 0, NEW_NETWORK: 0 })).toEqual({
      score: 25,
      reasons: ['NEW_DEVICE'],
    });
  });
});

describe('what was seen', () => {
  it('is reported with what it added; what is covered too, with 0', () => {
    expect(lookForSignals(NEW_PHONE_IN_JAPAN, KNOWN)).toEqual([
      { code: 'NEW_DEVICE', weight: 25, saw: { knownDevices: 1 } },
      { code: 'NEW_COUNTRY', weight: 35, saw: { country: 'JP', knownCountries: 1 } },
      { code: 'NEW_NETWORK', weight: 0, saw: { network: '133.11.0.0/16', knownNetworks: 1 } },
    ]);
  });

  it('is reported of a signal that was switched off', () => {
    const [device] = lookForSignals(NEW_PHONE_IN_JAPAN, KNOWN, { NEW_DEVICE: 0 });
    expect(device).toEqual({ code: 'NEW_DEVICE', weight: 0, saw: { knownDevices: 1 } });
  });

  it('stands in the order of the list', () => {
    const seen = lookForSignals(EVERYTHING, KNOWN).map(({ code }) => code);
    expect(seen).toHaveLength(7);
    expect(seen).toEqual(SIGNALS.map(({ code }) => code).filter((code) => seen.includes(code)));
  });
});

describe('weighing what was kept', () => {
  it('gives what scoring gave, in whatever order the codes stand', () => {
    const seen = lookForSignals(EVERYTHING, KNOWN);
    const codes = seen.map(({ code }) => code);
    const expected = Object.fromEntries(seen.map(({ code, weight }) => [code, weight]));
    expect(Object.fromEntries(weigh(codes))).toEqual(expected);
    expect(Object.fromEntries(weigh([...codes].reverse()))).toEqual(expected);
  });

  it('gives nothing for a code of another release, and lets it cover nothing', () => {
    expect([...weigh(['OF_ANOTHER_RELEASE', 'NEW_NETWORK'])]).toEqual([
      ['OF_ANOTHER_RELEASE', 0],
      ['NEW_NETWORK', 10],
    ]);
  });

  it('of a covered signal that a tenant made the heavier counts what the other has not said', () => {
    const heavy = { NEW_NETWORK: 80, CONCURRENT_COUNTRIES: 70 };
    const weights = (codes: string[]) => [...weigh(codes, heavy).values()];
    expect(weights(['NEW_NETWORK'])).toEqual([80]);
    expect(weights(['NEW_COUNTRY', 'NEW_NETWORK'])).toEqual([35, 45]);
    const all = ['NEW_COUNTRY', 'IMPOSSIBLE_TRAVEL', 'CONCURRENT_COUNTRIES'];
    expect(weights(all)).toEqual([35, 25, 10]);
  });

  it('never gives less for more that was seen, whatever the weights', () => {
    const codes = SIGNALS.map(({ code }) => code);
    for (let round = 0; round < 200; round += 1) {
      const weights = Object.fromEntries(
        codes.map((code, at) => [code, (round * 37 + at * 53 + ((round * at) % 11)) % 101]),
      );
      const total = (seen: string[]) => sumOf(weigh(seen, weights).values());
      const seen = codes.filter((_code, at) => ((round >> (at % 7)) + at) % 2 === 0);
      for (const more of codes) {
        expect(total([...seen, more])).toBeGreaterThanOrEqual(total(seen));
      }
    }
  });
});
