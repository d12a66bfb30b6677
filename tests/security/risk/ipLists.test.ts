import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readIpLists } from '@/server/security/risk/ipLists';

const folder = mkdtempSync(join(tmpdir(), 'ip-lists-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function listFile(name: string, ...lines: string[]): string {
  const path = join(folder, name);
  writeFileSync(path, lines.join('\n'));
  return path;
}

/** Returns whether a list of these lines contains an address. */
const holds = (address: string | null, ...lines: string[]) =>
  readIpLists([listFile('one.txt', ...lines)]).holding(address).length > 0;

describe("a list of the operator's", () => {
  it.each([
    ['203.0.113.0/24', '203.0.112.255', false],
    ['203.0.113.0/24', '203.0.113.0', true],
    ['203.0.113.0/24', '203.0.113.255', true],
    ['203.0.113.0/24', '203.0.114.0', false],
    ['203.0.113.77/24', '203.0.113.1', true],
    ['203.0.113.7', '203.0.113.7', true],
    ['203.0.113.7', '203.0.113.6', false],
    ['203.0.113.7', '203.0.113.8', false],
    ['203.0.113.7/32', '203.0.113.8', false],
    ['0.0.0.0/0', '255.255.255.255', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['2001:db8::/32', '2001:db7:ffff:ffff:ffff:ffff:ffff:ffff', false],
    ['2001:db8::/32', '2001:db8::', true],
    ['2001:db8::/32', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', true],
    ['2001:db8::/32', '2001:db9::', false],
    ['2001:db8::7', '2001:db8:0:0:0:0:0:7', true],
    ['2001:db8::7', '2001:db8::8', false],
    ['::/0', '203.0.113.7', false],
    ['::/0', 'ffff::1', true],
  ])('that says %s, asked for %s: %p', (line, address, held) => {
    expect(holds(address, line)).toBe(held);
  });

  it.each([
    ['203.0.113.0/24', '::ffff:203.0.113.9', true],
    ['203.0.113.0/24', '::ffff:203.0.114.9', false],
    ['::ffff:203.0.113.0/120', '203.0.113.255', true],
    ['::ffff:203.0.113.0/120', '203.0.114.0', false],
    ['::ffff:203.0.113.7', '203.0.113.7', true],
    ['::ffff:203.0.113.7', '::ffff:203.0.113.7', true],
    ['::ffff:0:0/96', '8.8.8.8', true],
  ])('knows an IPv4 address in either form: %s, %s: %p', (line, address, held) => {
    expect(holds(address, line)).toBe(held);
  });

  it.each([null, '', 'nonsense', '203.0.113.7, 10.0.0.1'])('does not hold %p', (address) => {
    expect(holds(address, '0.0.0.0/0', '::/0')).toBe(false);
  });

  it('may hold comments, empty lines, spaces and the line ends of Windows', () => {
    const lines = [
      '\uFEFF# of 2026',
      '',
      '  203.0.113.0/24  # hosting',
      '198.51.100.0/24 ; SBL1\r',
      '; end',
    ];
    const list = readIpLists([listFile('commented.txt', ...lines)]);
    expect(list.holding('203.0.113.1')).toEqual(['commented']);
    expect(list.holding('198.51.100.1')).toEqual(['commented']);
    expect(list.holding('192.0.2.1')).toEqual([]);
  });

  it('may hold ranges that overlap, touch, repeat and stand in any order', () => {
    const lines = ['10.9.0.0/16', '10.0.0.0/8', '10.9.1.0/24', '11.0.0.0/8', '10.0.0.0/8'];
    const all = [...lines, '192.0.2.0/25', '9.255.255.254/31'];
    const held = (address: string) => holds(address, ...all);
    const inside = ['9.255.255.254', '10.0.0.0', '10.9.1.1', '10.255.255.255', '11.255.255.255'];
    expect(inside.filter((address) => !held(address))).toEqual([]);
    const outside = ['9.255.255.253', '12.0.0.0', '192.0.2.128', '192.0.1.255'];
    expect(outside.filter(held)).toEqual([]);
  });

  it('is found in whole among many ranges', () => {
    const lines = Array.from({ length: 1001 }, (_, at) => `10.${at >> 8}.${at & 255}.128/25`);
    const list = readIpLists([listFile('many.txt', ...lines)]);
    for (let at = 0; at < 1001; at += 1) {
      expect(list.holding(`10.${at >> 8}.${at & 255}.128`)).toEqual(['many']);
      expect(list.holding(`10.${at >> 8}.${at & 255}.127`)).toEqual([]);
    }
  });

  it('goes by the name of its file, and all that hold an address are named', () => {
    const paths = [
      listFile('hosting.txt', '203.0.113.0/24'),
      listFile('tor.cidr', '203.0.113.7'),
      listFile('empty'),
    ];
    expect(readIpLists(paths).holding('203.0.113.7')).toEqual(['hosting', 'tor']);
    expect(readIpLists(paths).holding('203.0.113.8')).toEqual(['hosting']);
    expect(readIpLists([]).holding('203.0.113.7')).toEqual([]);
  });
});

describe('a list that is wrong', () => {
  it.each([
    '203.0.113.0/33',
    '2001:db8::/129',
    '203.0.113.256',
    '203.0.113.0/255.255.255.0',
    '203.0.113.0-203.0.113.9',
    '203.0.113.1 203.0.113.2',
    'tor.example.com',
    // Other readers take these for 203.0.0.113, 0.0.0.10 and 8.0.0.1.
    '203.0.113',
    '203.0.113/24',
    '10',
    '010.0.0.1',
    '0x7f.0.0.1',
  ])('stops the start over %s with the file and the line', (line) => {
    const path = listFile('wrong.txt', '# fine', '203.0.113.0/24', line, '198.51.100.0/24');
    const sentence = `IP_LISTS: ${path}, line 3 is neither an address nor a CIDR range.`;
    expect(() => readIpLists([path])).toThrow(new Error(sentence));
  });

  it('stops the start where it cannot be read', () => {
    expect(() => readIpLists([join(folder, 'gone.txt')])).toThrow('gone.txt');
  });
});
