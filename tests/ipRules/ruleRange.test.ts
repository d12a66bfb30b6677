import {
  addressBits,
  prefixOf,
  rangeBits,
  readRuleRange,
  writeRuleRange,
} from '@/server/ipRules/ruleRange';

const written = (text: string) => {
  const range = readRuleRange(text);
  return typeof range === 'string' ? range : writeRuleRange(range);
};

const holds = (range: string, address: string) => {
  const read = readRuleRange(range);
  if (typeof read === 'string') throw new Error(`${range} ${read}`);
  const [base, asked] = [rangeBits(read), addressBits(address)];
  return base.length === asked.length && prefixOf(base, read.bits) === prefixOf(asked, read.bits);
};

describe('a range in a rule', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7/32'],
    ['203.0.113.0/24', '203.0.113.0/24'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['2001:db8:0:0:0:0:0:1', '2001:db8::1/128'],
    ['2001:DB8::/32', '2001:db8::/32'],
    ['2001:db8:1:2:3:4:5:6/128', '2001:db8:1:2:3:4:5:6/128'],
    ['::/0', '::/0'],
    ['::ffff:10.0.0.0/104', '10.0.0.0/8'],
    ['::ffff:a00:1', '10.0.0.1/32'],
    ['::ffff:0a00:0000/104', '10.0.0.0/8'],
    ['64:ff9b::192.0.2.33', '192.0.2.33/32'],
    ['64:ff9b::a00:0/104', '10.0.0.0/8'],
    ['64:ff9b:1::/48', '64:ff9b:1::/48'],
  ])('%s is stored as %s', (text, stored) => {
    expect(written(text)).toBe(stored);
  });

  it.each([
    ['fe80::1%eth0', 'must not have a zone id'],
    ['fe80::1%25eth0/64', 'must not have a zone id'],
    ['010.0.0.1', 'must not have leading zeros'],
    ['10.0.0.01/32', 'must not have leading zeros'],
    ['::ffff:010.0.0.1', 'must not have leading zeros'],
    ['10.0.0.0/33', 'must have a mask of at most 32 bits'],
    ['2001:db8::/129', 'must have a mask of at most 128 bits'],
    ['10.0.0.0/08', 'must end with a mask in bits, such as /24'],
    ['10.0.0.0/', 'must end with a mask in bits, such as /24'],
    ['10.0.0.0/-1', 'must end with a mask in bits, such as /24'],
    ['10.0.0.0/255.0.0.0', 'must end with a mask in bits, such as /24'],
    ['10.0.0.1/8', 'has bits after its mask: write 10.0.0.0/8'],
    ['2001:db8::1/64', 'has bits after its mask: write 2001:db8::/64'],
    ['10.1', 'must be an IP address or a CIDR range'],
    ['167772161', 'must be an IP address or a CIDR range'],
    ['0x0a000001', 'must be an IP address or a CIDR range'],
    ['10.0.0.256', 'must be an IP address or a CIDR range'],
    ['10.0.0.0/8/8', 'must be an IP address or a CIDR range'],
    ['example.com', 'must be an IP address or a CIDR range'],
    ['[2001:db8::1]', 'must be an IP address or a CIDR range'],
    ['2001:db8::1::2', 'must be an IP address or a CIDR range'],
    ['', 'must be an IP address or a CIDR range'],
  ])('%s is refused: %s', (text, message) => {
    expect(written(text)).toBe(message);
  });
});

describe('whether a range holds an address', () => {
  it.each([
    ['10.0.0.0/8', '10.255.255.255', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['10.0.0.0/9', '10.127.255.255', true],
    ['10.0.0.0/9', '10.128.0.0', false],
    ['0.0.0.0/0', '255.255.255.255', true],
    ['2001:db8::/33', '2001:db8:7fff::1', true],
    ['2001:db8::/33', '2001:db8:8000::1', false],
    ['10.0.0.0/8', '::ffff:10.1.2.3', true],
    ['10.0.0.0/8', '::ffff:a01:203', true],
    ['10.0.0.0/8', '64:ff9b::a01:203', true],
    ['64:ff9b::a00:0/104', '10.1.2.3', true],
    ['::/0', '10.0.0.1', false],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['203.0.113.7/32', '203.0.113.7', true],
    ['203.0.113.7/32', '203.0.113.6', false],
  ])('%s and %s: %s', (range, address, expected) => {
    expect(holds(range, address)).toBe(expected);
  });

  it('counts exactly the bits of the mask', () => {
    const address = '192.168.170.85';
    for (let bits = 0; bits <= 32; bits += 1) {
      const mask = bits === 0 ? 0n : (0xffffffffn << BigInt(32 - bits)) & 0xffffffffn;
      const base = BigInt(0xc0a8aa55) & mask;
      const text = [24n, 16n, 8n, 0n].map((shift) => (base >> shift) & 255n).join('.');
      expect(holds(`${text}/${bits}`, address)).toBe(true);
      if (bits > 0) {
        const other = base ^ (1n << BigInt(32 - bits));
        const far = [24n, 16n, 8n, 0n].map((shift) => (other >> shift) & 255n).join('.');
        expect(holds(`${far}/${bits}`, address)).toBe(false);
      }
    }
  });
});
