import { unusualHour } from '@/server/security/risk/signals/unusualHour';
import { lookWith, weightBeside } from '@/tests/helpers/risk/lookWith';

const look = lookWith(unusualHour);
const at = (hour: number, minute = 0) => ({ now: new Date(Date.UTC(2026, 2, 4, hour, minute)) });

/** Returns that many logins at each of these hours. */
const loginsAt = (count: number, ...hours: number[]) => ({
  hours: Array.from({ length: 24 }, (_, hour) => (hours.includes(hour) ? count : 0)),
});

describe('UNUSUAL_HOUR', () => {
  it('sees an hour far from those of twenty logins, and tells the hour and how many they were', () => {
    expect(look(at(3), loginsAt(20, 12))).toEqual({ hourUtc: 3, logins: 20 });
    expect(look(at(3), loginsAt(10, 9, 17))).toEqual({ hourUtc: 3, logins: 20 });
  });

  it('sees nothing before there are twenty', () => {
    expect(look(at(3), loginsAt(19, 12))).toBeNull();
  });

  it.each([
    [10, 59, true],
    [11, 0, false],
    [12, 30, false],
    [13, 59, false],
    [14, 0, true],
  ])('gives an hour to each side of noon: %i:%i is seen %p', (hour, minute, seen) => {
    expect(look(at(hour, minute), loginsAt(20, 12)) !== null).toBe(seen);
  });

  it.each([
    [0, 21, true],
    [0, 22, true],
    [0, 23, false],
    [0, 0, false],
    [0, 1, false],
    [0, 2, true],
    [23, 21, true],
    [23, 22, false],
    [23, 0, false],
    [23, 1, true],
  ])('goes around midnight: at %i after logins at %i it is seen %p', (hour, usual, seen) => {
    expect(look(at(hour), loginsAt(20, usual)) !== null).toBe(seen);
  });

  it('is taught by a single login at that hour', () => {
    const { hours } = loginsAt(20, 12);
    hours[3] = 1;
    expect(look(at(3), { hours })).toBeNull();
  });

  it('sees nothing in a refresh: a session that was left open is refreshed at any hour', () => {
    expect(look({ at: 'refresh', ...at(3) }, loginsAt(20, 12))).toBeNull();
  });

  it('sees nothing in a login of a new member', () => {
    expect(look(at(3))).toBeNull();
    expect(look(at(3), loginsAt(0))).toBeNull();
  });

  it('adds 10, and nothing where a new country explains the hour', () => {
    expect(weightBeside(unusualHour)).toBe(10);
    expect(weightBeside(unusualHour, 'NEW_DEVICE', 'DORMANT_ACCOUNT')).toBe(10);
    expect(weightBeside(unusualHour, 'NEW_COUNTRY')).toBe(0);
  });
});
