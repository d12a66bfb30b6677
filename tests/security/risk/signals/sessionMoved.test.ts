import { sessionMoved } from '@/server/security/risk/signals/sessionMoved';
import type { Attempt } from '@/server/security/risk/signals';
import { lookWith, weightBeside } from '@/tests/helpers/risk/lookWith';

const look = lookWith(sessionMoved);
const SESSION = { id: 'the session', country: 'GB', deviceHashes: ['its cookie', 'its agent'] };
const AS_EVER: Partial<Attempt> = {
  at: 'refresh',
  session: SESSION,
  country: 'GB',
  deviceHashes: ['its cookie', 'its agent'],
};

describe('SESSION_MOVED', () => {
  it('sees nothing in a refresh from where and on what the session began', () => {
    expect(look(AS_EVER)).toBeNull();
  });

  it('sees another country, and tells both', () => {
    expect(look({ ...AS_EVER, country: 'FR' })).toEqual({ from: 'GB', to: 'FR' });
  });

  it('sees another device, and tells no more than that', () => {
    const deviceHashes = ['another cookie', 'another agent'];
    expect(look({ ...AS_EVER, deviceHashes })).toEqual({ device: 'another' });
  });

  it('sees both at once', () => {
    const elsewhere = { ...AS_EVER, country: 'FR', deviceHashes: ['another agent'] };
    expect(look(elsewhere)).toEqual({ from: 'GB', to: 'FR', device: 'another' });
  });

  it.each([
    ['whose browser was updated', ['its cookie', 'another agent'], false],
    ['that keeps no cookies', ['its agent'], false],
    ['of the same make, with the cookie of another', ['another cookie', 'its agent'], true],
    ['that shows nothing', [], true],
  ])('goes by the cookie, else by the user agent: a device %s', (_case, deviceHashes, seen) => {
    expect(look({ ...AS_EVER, deviceHashes }) !== null).toBe(seen);
  });

  it.each<[string, Partial<Attempt>]>([
    [
      'it is not known in which country the session began',
      { session: { ...SESSION, country: null } },
    ],
    ['the address tells no country', { country: null }],
    [
      'it is not known on what the session began',
      { deviceHashes: ['any'], session: { ...SESSION, deviceHashes: [] } },
    ],
    ['there is no session to compare with', { session: null, country: 'FR', deviceHashes: [] }],
  ])('sees nothing where %s', (_case, change) => {
    expect(look({ ...AS_EVER, ...change })).toBeNull();
  });

  it('sees nothing in a login, which begins a session', () => {
    expect(look({ ...AS_EVER, at: 'login', country: 'FR', deviceHashes: [] })).toBeNull();
  });

  it('adds 25, and nothing where a new country has said so already', () => {
    expect(weightBeside(sessionMoved)).toBe(25);
    expect(weightBeside(sessionMoved, 'NEW_DEVICE', 'NEW_NETWORK', 'IMPOSSIBLE_TRAVEL')).toBe(25);
    expect(weightBeside(sessionMoved, 'NEW_COUNTRY')).toBe(0);
  });
});
