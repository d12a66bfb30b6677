import { distanceBetweenCountries } from '@/server/security/risk/geo';
import { impossibleTravel } from '@/server/security/risk/signals/impossibleTravel';
import { ATTEMPT } from '@/tests/helpers/risk/madeUpAttempt';
import { lookWith, weightBeside } from '@/tests/helpers/risk/lookWith';

const look = lookWith(impossibleTravel);
const NOW = ATTEMPT.now.getTime();
const MINUTE_MS = 60_000;

/** Travels to a country, that many milliseconds after the last good login in another. */
const travel = (from: string, to: string | null, afterMs: number) =>
  look({ country: to }, { countries: new Map([[from, NOW - afterMs]]) });

describe('IMPOSSIBLE_TRAVEL', () => {
  it('sees a journey faster than an airliner, and tells countries, kilometres and minutes', () => {
    expect(travel('GB', 'JP', 0)).toEqual({ from: 'GB', to: 'JP', km: 9265, minutes: 0 });
    expect(travel('GB', 'JP', 90 * MINUTE_MS)).toMatchObject({ minutes: 90 });
  });

  // 9265 km: 800 km are allowed, and 8465 km at 1000 km/h take eight hours, 27 minutes and 53
  // seconds.
  it.each([
    [507, true],
    [508, false],
    [24 * 60, false],
  ])('from Great Britain to Japan in %i minutes: seen %p', (minutes, seen) => {
    expect(travel('GB', 'JP', minutes * MINUTE_MS) !== null).toBe(seen);
  });

  it('draws the line at 800 km and 1000 km/h, to the millisecond', () => {
    const km = distanceBetweenCountries('GB', 'JP') ?? 0;
    const line = ((km - 800) / 1000) * 60 * MINUTE_MS;
    expect(travel('GB', 'JP', Math.floor(line))).not.toBeNull();
    expect(travel('GB', 'JP', Math.ceil(line))).toBeNull();
  });

  it('allows neighbours at once: 797 km are nothing, 801 km take seconds', () => {
    expect(travel('DK', 'GB', 0)).toBeNull();
    expect(travel('IT', 'SK', 0)).toEqual({ from: 'IT', to: 'SK', km: 801, minutes: 0 });
    expect(travel('IT', 'SK', 4000)).toBeNull();
  });

  it('takes a last login of the future, as clocks disagree, for one of this moment', () => {
    expect(travel('GB', 'JP', -600 * MINUTE_MS)).toMatchObject({ minutes: 0 });
    expect(travel('DK', 'GB', -600 * MINUTE_MS)).toBeNull();
  });

  it('measures from the country of the last good login, and from no other', () => {
    const countries = new Map([
      ['GB', NOW - 500 * 60 * MINUTE_MS],
      ['JP', NOW - 60 * MINUTE_MS],
      ['FR', NOW - 400 * 60 * MINUTE_MS],
    ]);
    expect(look({ country: 'JP' }, { countries })).toBeNull();
    expect(look({ country: 'GB' }, { countries })).toMatchObject({ from: 'JP', to: 'GB' });
  });

  it.each<[string, string, string | null]>([
    ['within one country', 'GB', 'GB'],
    ['to an address that tells no country', 'GB', null],
    ['to a country without a known middle', 'GB', 'ZZ'],
    ['from a country without a known middle', 'ZZ', 'GB'],
  ])('sees nothing %s', (_case, from, to) => {
    expect(travel(from, to, 0)).toBeNull();
  });

  it('sees nothing in the first login of a new member', () => {
    expect(look({ country: 'JP' })).toBeNull();
  });

  it('adds 25, to a new country too: the two say different things', () => {
    expect(weightBeside(impossibleTravel)).toBe(25);
    expect(weightBeside(impossibleTravel, 'NEW_COUNTRY', 'CONCURRENT_COUNTRIES')).toBe(25);
  });
});
