import { dormantAccount } from '@/server/security/risk/signals/dormantAccount';
import { ATTEMPT } from '@/tests/helpers/risk/madeUpAttempt';
import { lookWith, weightBeside } from '@/tests/helpers/risk/lookWith';

const look = lookWith(dormantAccount);
const DAY_MS = 86_400_000;
const after = (ms: number) => ({ lastLoginAt: ATTEMPT.now.getTime() - ms });

describe('DORMANT_ACCOUNT', () => {
  it.each([
    ['a day', DAY_MS, null],
    ['89 days', 89 * DAY_MS, null],
    ['a millisecond less than 90 days', 90 * DAY_MS - 1, null],
    ['90 days', 90 * DAY_MS, { days: 90 }],
    ['ten years', 3650.5 * DAY_MS, { days: 3650 }],
  ])('after %s (%i ms): %p is all it tells', (_case, ms, saw) => {
    expect(look({}, after(ms))).toEqual(saw);
  });

  it('sees nothing in a refresh: a session that goes on is not dormant', () => {
    expect(look({ at: 'refresh' }, after(90 * DAY_MS))).toBeNull();
  });

  it('sees nothing in the first login of a new member', () => {
    expect(look({}, { lastLoginAt: null })).toBeNull();
  });

  it('adds 20, whatever else is seen', () => {
    expect(weightBeside(dormantAccount)).toBe(20);
    expect(weightBeside(dormantAccount, 'NEW_DEVICE', 'NEW_COUNTRY')).toBe(20);
  });
});
