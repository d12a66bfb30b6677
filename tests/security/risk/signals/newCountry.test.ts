import { newCountry } from '@/server/security/risk/signals/newCountry';
import { lookWith, weightBeside } from '@/tests/helpers/risk/lookWith';

const look = lookWith(newCountry);
const countries = new Map([
  ['GB', Date.parse('2026-03-01T12:00:00Z')],
  ['FR', Date.parse('2020-01-01T12:00:00Z')],
]);

describe('NEW_COUNTRY', () => {
  it('sees a country that no login has succeeded from, and tells which', () => {
    expect(look({ country: 'JP' }, { countries })).toEqual({ country: 'JP', knownCountries: 2 });
  });

  it.each(['GB', 'FR'])('sees nothing in %s, which is known, however long ago', (country) => {
    expect(look({ country }, { countries })).toBeNull();
  });

  it('sees nothing in an address that tells no country', () => {
    expect(look({ country: null }, { countries })).toBeNull();
  });

  it('sees nothing in the first country of a new member', () => {
    expect(look({ country: 'JP' })).toBeNull();
  });

  it('looks at refreshes as at logins', () => {
    expect(look({ at: 'refresh', country: 'JP' }, { countries })).not.toBeNull();
  });

  it('adds 35, whatever else is seen', () => {
    expect(weightBeside(newCountry)).toBe(35);
    expect(weightBeside(newCountry, 'NEW_DEVICE', 'IMPOSSIBLE_TRAVEL', 'SESSION_MOVED')).toBe(35);
  });
});
