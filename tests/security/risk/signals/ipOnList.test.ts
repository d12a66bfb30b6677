import { ipOnList } from '@/server/security/risk/signals/ipOnList';
import { lookWith, weightBeside } from '@/tests/helpers/risk/lookWith';

const look = lookWith(ipOnList);

describe('IP_ON_LIST', () => {
  it('sees an address on a list, and tells the names of the lists, not the address', () => {
    expect(look({ lists: ['hosting'] })).toEqual({ lists: 'hosting' });
    expect(look({ lists: ['hosting', 'tor'] })).toEqual({ lists: 'hosting, tor' });
  });

  it('sees nothing in an address on none', () => {
    expect(look({ lists: [] })).toBeNull();
  });

  it('looks at refreshes as at logins', () => {
    expect(look({ at: 'refresh', lists: ['tor'] })).toEqual({ lists: 'tor' });
  });

  it('adds 35, whatever else is seen', () => {
    expect(weightBeside(ipOnList)).toBe(35);
    expect(weightBeside(ipOnList, 'NEW_COUNTRY', 'SPRAY')).toBe(35);
  });
});
