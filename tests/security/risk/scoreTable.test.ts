import { computeAnomalyScoreOptimized } from '@/server/security/computeAnomalyScore';
import type { AnomalyInput } from '@/server/security/computeAnomalyScore';
import { ATTEMPT, HISTORY } from '../../helpers/risk/madeUpAttempt';
import { DEFAULT_POLICY, decideRisk } from '@/server/security/risk/riskPolicy';

const NOW = Date.parse('2026-03-01T12:00:00Z');
const hoursAgo = (hours: number) => NOW - hours * 3_600_000;

interface Known {
  devices?: string[];
  /** Each country, and when it was last seen. */
  countries?: [string, number][];
}

async function score(known: Known, login: Partial<AnomalyInput>) {
  const history = {
    ...HISTORY,
    deviceHashes: new Set(known.devices ?? []),
    countries: new Map(known.countries ?? []),
  };
  const riskFacts = { read: () => Promise.resolve(history) };
  const input = { ...ATTEMPT, tenantId: 't', staffId: 's', now: new Date(NOW), ...login };
  const { score: sum, reasons } = await computeAnomalyScoreOptimized(
    { riskFacts, riskPolicies },
    input,
  );
  return { score: sum, reasons };
}

const riskPolicies = { read: () => Promise.resolve({ version: 0, policy: DEFAULT_POLICY }) };

const SETTLED: Known = { devices: ['laptop'], countries: [['GB', hoursAgo(1)]] };
const LONG_AGO: Known = { devices: ['laptop'], countries: [['GB', hoursAgo(100)]] };

describe('the score table', () => {
  it.each<[string, Known, Partial<AnomalyInput>, number, string[]]>([
    ['nothing known', {}, { country: 'JP', deviceHashes: ['phone'] }, 0, []],
    ['all as ever', SETTLED, { country: 'GB', deviceHashes: ['laptop'] }, 0, []],
    ['one of two identities known', SETTLED, { deviceHashes: ['cookie', 'laptop'] }, 0, []],
    ['nothing known, nothing told', {}, { deviceHashes: [] }, 0, []],
    ['no place told', SETTLED, {}, 0, []],
    ['a device that hides', SETTLED, { deviceHashes: [] }, 25, ['NEW_DEVICE']],
    ['a new device', SETTLED, { country: 'GB', deviceHashes: ['phone'] }, 25, ['NEW_DEVICE']],
    ['a new country in days', LONG_AGO, { country: 'JP' }, 35, ['NEW_COUNTRY']],
    ['a neighbour within the hour', SETTLED, { country: 'FR' }, 35, ['NEW_COUNTRY']],
    [
      'a far country within the hour',
      SETTLED,
      { country: 'JP' },
      60,
      ['NEW_COUNTRY', 'IMPOSSIBLE_TRAVEL'],
    ],
    [
      'a new device in a new country',
      LONG_AGO,
      { country: 'JP', deviceHashes: ['phone'] },
      60,
      ['NEW_DEVICE', 'NEW_COUNTRY'],
    ],
    [
      'a traveller with a new laptop',
      SETTLED,
      { country: 'JP', deviceHashes: ['phone'] },
      85,
      ['NEW_DEVICE', 'NEW_COUNTRY', 'IMPOSSIBLE_TRAVEL'],
    ],
    ['two failures', SETTLED, { recentFailures: 2 }, 0, []],
    ['three failures', SETTLED, { recentFailures: 3 }, 15, ['FAILED_ATTEMPTS']],
    ['seven failures', SETTLED, { recentFailures: 7 }, 15, ['FAILED_ATTEMPTS']],
    ['eight failures', SETTLED, { recentFailures: 8 }, 30, ['FAILED_ATTEMPTS_MANY']],
    [
      'everything at once, capped',
      SETTLED,
      { country: 'JP', deviceHashes: ['phone'], recentFailures: 8 },
      100,
      ['NEW_DEVICE', 'NEW_COUNTRY', 'IMPOSSIBLE_TRAVEL', 'FAILED_ATTEMPTS_MANY'],
    ],
    [
      'a country without a known middle',
      { countries: [['GB', hoursAgo(1)]] },
      { country: 'ZZ' },
      35,
      ['NEW_COUNTRY'],
    ],
  ])('%s', async (_case, known, login, expected, reasons) => {
    expect(await score(known, login)).toEqual({ score: expected, reasons });
  });

  it('measures travel from the country seen last, not from any', async () => {
    const countries: [string, number][] = [
      ['JP', hoursAgo(1)],
      ['GB', hoursAgo(500)],
    ];
    expect(await score({ countries }, { country: 'JP' })).toEqual({ score: 0, reasons: [] });
    expect((await score({ countries }, { country: 'GB' })).reasons).toEqual(['IMPOSSIBLE_TRAVEL']);
  });

  it('fails as its source of facts fails: whoever asks turns that into an answer', async () => {
    const riskFacts = {
      read: () => Promise.reject(new Error('relation "known_devices" does not exist')),
    };
    const input = { ...ATTEMPT, tenantId: 't', staffId: 's' };
    await expect(computeAnomalyScoreOptimized({ riskFacts, riskPolicies }, input)).rejects.toThrow(
      'known_devices',
    );
  });
});

describe('what a score means', () => {
  it.each([
    [0, 'allow', 'allow'],
    [59, 'allow', 'allow'],
    [60, 'step_up', 'step_up'],
    [89, 'step_up', 'step_up'],
    [90, 'block', 'step_up'],
    [100, 'block', 'step_up'],
  ])('%i: %s, or %s where the tenant prefers a step-up to a block', (value, block, stepUp) => {
    expect(decideRisk(value, DEFAULT_POLICY)).toBe(block);
    expect(decideRisk(value, { ...DEFAULT_POLICY, highRiskAction: 'step_up' })).toBe(stepUp);
  });
});
