import { judgeAddresses } from '@/server/ipRules/judgeAddresses';
import { compileRules, nextExpiry } from '@/server/ipRules/ruleSet';
import type { IpRule } from '@/server/ipRules/ruleSet';

const NOW = Date.UTC(2026, 0, 1);
let count = 0;

const rule = (action: IpRule['action'], range: string, more: Partial<IpRule> = {}): IpRule => ({
  ...{ id: `rule-${(count += 1)}`, action, range, note: '', expiresAt: null },
  appliesTo: 'people',
  ...more,
});

const OFFICE = rule('allow', '203.0.113.0/24');
const HOSTILE = rule('deny', '203.0.113.66/32');
const PAST = new Date(NOW - 1000);
const SOON = new Date(NOW + 1000);

const passes = (rules: readonly IpRule[], address: string | null, at = NOW) =>
  compileRules(rules)('people', address, at) === undefined;

describe('a set of rules', () => {
  it('lets everybody pass if it is empty', () => {
    expect(passes([], '203.0.113.7')).toBe(true);
    expect(passes([], null)).toBe(true);
  });

  it('closes everything outside the allow rules as soon as there is one', () => {
    expect(passes([OFFICE], '203.0.113.7')).toBe(true);
    expect(passes([OFFICE], '198.51.100.1')).toBe(false);
    expect(passes([OFFICE], '2001:db8::1')).toBe(false);
  });

  it('stays open outside its deny rules if it has no allow rule', () => {
    expect(passes([HOSTILE], '203.0.113.66')).toBe(false);
    expect(passes([HOSTILE], '203.0.113.67')).toBe(true);
  });

  it('refuses what is denied also if it is allowed, in any order', () => {
    const orders = [
      [OFFICE, HOSTILE],
      [HOSTILE, OFFICE],
    ];
    for (const rules of orders) {
      expect(compileRules(rules)('people', '203.0.113.66', NOW)).toMatchObject({
        rule: { id: HOSTILE.id, action: 'deny' },
      });
      expect(passes(rules, '203.0.113.65')).toBe(true);
    }
  });

  it('refuses an address that is not known, if there is any rule', () => {
    expect(passes([OFFICE], null)).toBe(false);
    expect(passes([HOSTILE], null)).toBe(false);
  });

  it('is for people or for API keys, never for both', () => {
    const keys = rule('allow', '198.51.100.0/24', { appliesTo: 'api_keys' });
    const judge = compileRules([OFFICE, keys]);
    expect(judge('people', '203.0.113.7', NOW)).toBeUndefined();
    expect(judge('api_keys', '203.0.113.7', NOW)).toStrictEqual({ rule: null });
    expect(judge('api_keys', '198.51.100.7', NOW)).toBeUndefined();
    expect(compileRules([keys])('people', '192.0.2.1', NOW)).toBeUndefined();
  });

  it('forgets a deny rule when it expires, and never opens because an allow rule expires', () => {
    expect(passes([rule('deny', '192.0.2.1', { expiresAt: PAST })], '192.0.2.1')).toBe(true);
    expect(passes([rule('deny', '192.0.2.1', { expiresAt: SOON })], '192.0.2.1')).toBe(false);
    const guest = rule('allow', '192.0.2.1', { expiresAt: SOON });
    expect(passes([OFFICE, guest], '192.0.2.1')).toBe(true);
    expect(passes([OFFICE, guest], '192.0.2.1', NOW + 1000)).toBe(false);
    expect(passes([guest], '198.51.100.1', NOW + 1000)).toBe(false);
  });

  it('tells when it next changes by itself', () => {
    const later = rule('allow', '192.0.2.1', { expiresAt: new Date(NOW + 5000) });
    const sooner = rule('deny', '192.0.2.2', { expiresAt: SOON });
    const gone = rule('deny', '192.0.2.3', { expiresAt: PAST });
    expect(nextExpiry([OFFICE, later, sooner, gone], NOW)).toBe(SOON.getTime());
    expect(nextExpiry([OFFICE, gone], NOW)).toBe(Infinity);
  });

  it('of a thousand rules judges about as fast as one of ten', () => {
    const judgeAll = (count: number) => {
      const rules = Array.from({ length: count }, (_, at) =>
        rule('deny', `10.0.${at >> 8}.${at & 255}`),
      );
      const judge = compileRules(rules);
      const rounds = Array.from({ length: 5 }, () => {
        const from = performance.now();
        for (let at = 0; at < 1000; at += 1) judge('people', `10.1.${at >> 8}.${at & 255}`, NOW);
        return performance.now() - from;
      });
      return Math.min(...rounds);
    };
    expect(judgeAll(1000)).toBeLessThan(10 * judgeAll(10));
  });

  it('names the first of the deny rules that hold an address', () => {
    const wide = rule('deny', '203.0.0.0/16');
    expect(compileRules([wide, HOSTILE])('people', '203.0.113.66', NOW)).toMatchObject({
      rule: { id: wide.id },
    });
    const gone = { ...wide, expiresAt: PAST };
    expect(compileRules([gone, HOSTILE])('people', '203.0.113.66', NOW)).toMatchObject({
      rule: { id: HOSTILE.id },
    });
  });

  it('judges many addresses without keeping other requests waiting', async () => {
    let turns = 0;
    let next: NodeJS.Immediate | undefined;
    const count = () => {
      turns += 1;
      next = setImmediate(count);
    };
    next = setImmediate(count);
    const addresses = Array.from({ length: 5000 }, (_, at) => `10.0.${at >> 8}.${at & 255}`);
    const verdicts = await judgeAddresses(addresses, () => undefined);
    clearImmediate(next);
    expect(verdicts.size).toBe(5000);
    expect(turns).toBeGreaterThanOrEqual(9);
  });
});
