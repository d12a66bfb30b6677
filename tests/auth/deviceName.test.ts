import { nameDevice } from '@/server/auth';

const WINDOWS = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64';

describe('the name of a device', () => {
  it.each([
    [`${WINDOWS}; rv:128.0) Gecko/20100101 Firefox/128.0`, 'Firefox on Windows'],
    [
      'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1',
      'Safari on iOS',
    ],
    [
      'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0',
      'Microsoft Edge on macOS',
    ],
    [
      'Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36',
      'Chrome on Android',
    ],
    ['Firefox/1', 'Firefox'],
    ['curl/8.5.0', null],
    ['', null],
    ['   ', null],
    [null, null],
  ])('of %j is %j', (agent, name) => {
    expect(nameDevice(agent)).toBe(name);
  });

  it.each([
    'Evil http://evil.example/ 1.0',
    'Evil\u202E/1.0 (Windows)',
    '<script>alert(1)</script> (<b>)',
    'constructor/1 (__proto__)',
    'toString',
  ])('holds nothing that the client has chosen: %j', (agent) => {
    expect([null, 'Windows', 'Safari']).toContain(nameDevice(agent));
  });

  it('takes no long time for a hostile agent, however long it is', () => {
    const pieces = ['(', '/', ' ', 'a/1 ', 'Mozilla ', 'version/', '1.', '(a', 'android '];
    const began = performance.now();
    for (const piece of pieces) nameDevice(piece.repeat(200_000));
    expect(performance.now() - began).toBeLessThan(1000);
  });
});
