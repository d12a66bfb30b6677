import { failedAttempts, failedAttemptsMany } from '@/server/security/risk/signals/recentFailures';
import { lookWith, weightBeside } from '@/tests/helpers/risk/lookWith';

describe('FAILED_ATTEMPTS', () => {
  it.each([
    [0, null, null],
    [2, null, null],
    [3, { failures: 3 }, null],
    [7, { failures: 7 }, null],
    [8, { failures: 8 }, { failures: 8 }],
    [100, { failures: 100 }, { failures: 100 }],
  ])('of %i: some %p, many %p, and tells nothing but how many', (recentFailures, some, many) => {
    expect(lookWith(failedAttempts)({ recentFailures })).toEqual(some);
    expect(lookWith(failedAttemptsMany)({ recentFailures })).toEqual(many);
  });

  it('needs no history: guessing is guessing on a new account too', () => {
    expect(lookWith(failedAttempts)({ recentFailures: 3 }, {})).not.toBeNull();
  });

  it('adds 15 for some and 30 for many, never both', () => {
    expect(weightBeside(failedAttempts)).toBe(15);
    expect(weightBeside(failedAttemptsMany)).toBe(30);
    expect(weightBeside(failedAttempts, 'FAILED_ATTEMPTS_MANY')).toBe(0);
    expect(weightBeside(failedAttemptsMany, 'FAILED_ATTEMPTS')).toBe(30);
  });

  it('adds the same beside a spray: that one counts accounts, this one tries', () => {
    expect(weightBeside(failedAttempts, 'SPRAY')).toBe(15);
  });
});
