import { newDevice } from '@/server/security/risk/signals/newDevice';
import { lookWith, weightBeside } from '@/tests/helpers/risk/lookWith';

const look = lookWith(newDevice);
const deviceHashes = new Set(['cookie of the laptop', 'agent of the laptop']);

describe('NEW_DEVICE', () => {
  it('sees a device that no login has succeeded on, and tells only how many are known', () => {
    expect(look({ deviceHashes: ['another cookie', 'another agent'] }, { deviceHashes })).toEqual({
      knownDevices: 2,
    });
  });

  it.each([
    ['its cookie, though its browser was updated', ['cookie of the laptop', 'another agent']],
    ['its user agent, where it brings no cookie', ['agent of the laptop']],
    // A cookie that was signed for a colleague does not weaken what the user agent shows.
    ['its user agent, beside a cookie of somebody else', ['another cookie', 'agent of the laptop']],
    ['both', ['cookie of the laptop', 'agent of the laptop']],
  ])('sees nothing in a device known by %s', (_case, hashes) => {
    expect(look({ deviceHashes: hashes }, { deviceHashes })).toBeNull();
  });

  it('sees a device that shows nothing to be known by: hiding does not pay', () => {
    expect(look({ deviceHashes: [] }, { deviceHashes })).toEqual({ knownDevices: 2 });
  });

  it('sees nothing in the first device of a new member', () => {
    expect(look({ deviceHashes: ['any'] })).toBeNull();
    expect(look({ deviceHashes: [] })).toBeNull();
  });

  it('looks at refreshes as at logins', () => {
    expect(look({ at: 'refresh', deviceHashes: ['other'] }, { deviceHashes })).not.toBeNull();
  });

  it('adds 25, whatever else is seen', () => {
    expect(weightBeside(newDevice)).toBe(25);
    expect(weightBeside(newDevice, 'NEW_COUNTRY', 'SESSION_MOVED')).toBe(25);
  });
});
