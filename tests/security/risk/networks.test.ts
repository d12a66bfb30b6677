import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeAttempt } from '@/server/security/risk/describeAttempt';
import { createGeoLookup } from '@/server/security/risk/geo';
import { networkOf } from '@/server/security/risk/networks';
import { makeAsnDatabase } from '@/tests/helpers/risk/asnDatabase';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { CALM, allowed, openHistory } from '@/tests/helpers/risk/riskHistory';

describe('the network of an address', () => {
  it.each([
    ['81.2.69.142', '81.2.0.0/16'],
    ['81.2.0.0', '81.2.0.0/16'],
    ['81.2.255.255', '81.2.0.0/16'],
    ['81.3.0.0', '81.3.0.0/16'],
    ['::ffff:81.2.69.142', '81.2.0.0/16'],
    ['2a00:23c0::1', '2a00:23c0::/32'],
    ['2a00:23c0:ffff:ffff:ffff:ffff:ffff:ffff', '2a00:23c0::/32'],
    ['2a00:23c1::1', '2a00:23c1::/32'],
    ['2a00:7::1', '2a00:0007::/32'],
  ])('%s is in %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });

  it.each([
    ['private', '10.0.0.1'],
    ['private', '192.168.1.1'],
    ['private, and in IPv6 form', '::ffff:10.0.0.1'],
    ['unique local', 'fd00::1'],
    ['loopback', '127.0.0.1'],
    ['loopback', '::1'],
    ['link-local', '169.254.1.1'],
    ['link-local', 'fe80::1'],
    ["behind a provider's NAT", '100.64.0.1'],
    ['reserved for examples', '203.0.113.7'],
    ['no address', 'nonsense'],
    ['empty', ''],
    ['none', null],
  ])('says nothing where it is %s (%s)', (_case, address) => {
    expect(networkOf(address)).toBeNull();
  });

  it('is the autonomous system where that is known, however many prefixes it has', () => {
    expect(networkOf('81.2.69.142', 20712)).toBe('AS20712');
    expect(networkOf('90.155.3.1', 20712)).toBe('AS20712');
    expect(networkOf('2001:8b0::1', 20712)).toBe('AS20712');
  });
});

describe('what an address tells of an attempt', () => {
  const systems: Record<string, number> = { '81.2.69.142': 20712 };
  const deps = {
    clock: { now: () => new Date('2026-03-04T12:00:00Z') },
    geo: { country: () => 'GB', asn: (ip: string | null) => systems[ip ?? ''] ?? null },
    ipLists: { holding: (ip: string | null) => (ip === null ? [] : ['hosting']) },
  };
  const known = { at: 'login' as const, tenantId: 't', staffId: 's', deviceHashes: ['laptop'] };
  const describeFrom = (ip: string | null) =>
    describeAttempt(deps, { ...operatorContext, ip, country: 'GB' }, known);

  it('is its country, its network and the lists that hold it, and not itself', () => {
    const attempt = describeFrom('81.2.69.142');
    expect(attempt).toEqual({
      ...known,
      now: deps.clock.now(),
      country: 'GB',
      network: 'AS20712',
      lists: ['hosting'],
      recentFailures: 0,
      accountsTried: 0,
      session: null,
    });
  });

  it('is its prefix where no database knows the system', () => {
    expect(describeFrom('90.155.3.1').network).toBe('90.155.0.0/16');
    expect(describeFrom(null)).toMatchObject({ network: null, lists: [] });
  });
});

describe("an operator's database of autonomous systems", () => {
  const folder = mkdtempSync(join(tmpdir(), 'asn-'));
  const path = join(folder, 'asn.mmdb');
  const systems = {
    '42.0.0.0/8': 4837,
    '81.100.0.0/15': 5089,
    '82.1.0.0/16': 5089,
    '90.200.1.0/24': 5607,
  };
  writeFileSync(path, makeAsnDatabase(systems));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each([
    ['81.99.255.255', null],
    ['81.100.0.0', 5089],
    ['81.101.255.255', 5089],
    ['81.102.0.0', null],
    ['90.200.1.255', 5607],
    ['90.200.2.0', null],
    ['::ffff:82.1.0.9', 5089],
    // In a tree of only IPv4, the first half of these would be 81.100.0.0 and 42.0.35.192.
    ['5164::1', null],
    ['2a00:23c0::1', null],
    ['10.0.0.1', null],
    ['nonsense', null],
    [null, null],
  ])('says of %s: %p', (address, asn) => {
    expect(createGeoLookup(undefined, path).asn(address)).toBe(asn);
    expect(createGeoLookup(undefined).asn(address)).toBeNull();
  });

  it.each(['GEOIP_DB', 'GEOIP_ASN_DB'])('stops the start where %s is none', (setting) => {
    const wrong = join(folder, 'wrong.mmdb');
    writeFileSync(wrong, 'something else');
    const open = () =>
      setting === 'GEOIP_DB' ? createGeoLookup(wrong) : createGeoLookup(undefined, wrong);
    const sentence = `${setting}: ${wrong} is not a database in MaxMind's format.`;
    expect(open).toThrow(sentence);
  });

  it('makes one network of all prefixes of a provider', async () => {
    const { seedAtHome, signIn } = openHistory({ geoipAsnDb: path });
    const member = await seedAtHome('81.100.1.1');
    // 0: the phone changes from one prefix of its provider to another. 10: then to another
    // provider.
    expect(await signIn(member.laptop, member, '82.1.0.1')).toEqual(CALM);
    const elsewhere = await signIn(member.laptop, member, '90.200.1.1');
    expect(elsewhere).toEqual(allowed(10, 'NEW_NETWORK'));
  });
});
