import { newNetwork } from '@/server/security/risk/signals/newNetwork';
import { lookWith, weightBeside } from '@/tests/helpers/risk/lookWith';

const look = lookWith(newNetwork);
const networks = new Map([
  ['81.2.0.0/16', Date.parse('2026-03-01T12:00:00Z')],
  ['AS5089', Date.parse('2020-01-01T12:00:00Z')],
]);

describe('NEW_NETWORK', () => {
  it.each(['90.200.0.0/16', '2a00:23c0::/32', 'AS2856'])(
    'sees %s, which no login has succeeded from, and tells its name and no address',
    (network) => {
      expect(look({ network }, { networks })).toEqual({ network, knownNetworks: 2 });
    },
  );

  it.each(['81.2.0.0/16', 'AS5089'])('sees nothing in %s, which is known', (network) => {
    expect(look({ network }, { networks })).toBeNull();
  });

  it('sees nothing in an address that tells no network', () => {
    expect(look({ network: null }, { networks })).toBeNull();
  });

  it('sees nothing in the first network of a new member', () => {
    expect(look({ network: '90.200.0.0/16' })).toBeNull();
  });

  it('adds 10, and nothing where a new country has said so already', () => {
    expect(weightBeside(newNetwork)).toBe(10);
    expect(weightBeside(newNetwork, 'NEW_DEVICE', 'SESSION_MOVED')).toBe(10);
    expect(weightBeside(newNetwork, 'NEW_COUNTRY')).toBe(0);
  });
});
