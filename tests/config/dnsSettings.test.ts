import { Resolver } from 'node:dns';
import { findDnsProblems, readDnsSettings } from '@/server/config/dnsSettings';

const problemsOf = (DNS_SERVERS: string) => findDnsProblems({ DNS_SERVERS });

describe('DNS_SERVERS', () => {
  it('is empty for the servers of the system', () => {
    expect(findDnsProblems({})).toStrictEqual([]);
    expect(readDnsSettings({})).toStrictEqual({ dnsServers: [] });
  });

  it.each([
    '192.0.2.53',
    '192.0.2.53:5353',
    '192.0.2.53:1',
    '192.0.2.53:65535',
    '2001:db8::53',
    '[2001:db8::53]',
    '[2001:db8::53]:5353',
    '[::ffff:192.0.2.53]:53',
    '192.0.2.53, [2001:db8::53]:5353 ,2001:db8::54',
  ])('takes %j, as the resolver does', (value) => {
    expect(problemsOf(value)).toStrictEqual([]);
    const { dnsServers } = readDnsSettings({ DNS_SERVERS: value });
    const resolver = new Resolver();
    resolver.setServers(dnsServers);
    expect(resolver.getServers()).toHaveLength(value.split(',').length);
  });

  it.each([
    '192.0.2.53:0',
    '192.0.2.53:70000',
    '192.0.2.53:65536',
    '192.0.2.53:',
    '192.0.2.53:-1',
    '192.0.2.53:5e1',
    '[2001:db8::53]:0',
    '[2001:db8::53]:70000',
    '[2001:db8::53',
    '[192.0.2.53]:53',
    'fe80::1%eth0',
    '[fe80::1%eth0]:53',
    '192.0.2',
    '300.0.0.1',
    'dns.example',
    'https://192.0.2.53',
    '192.0.2.53 192.0.2.54',
  ])('refuses %j, which would end the process or ask another server', (value) => {
    const [problem, ...more] = problemsOf(`192.0.2.1,${value}`);
    expect(problem).toContain('DNS_SERVERS must list IP addresses');
    expect(problem).toContain(JSON.stringify(value));
    expect(more).toStrictEqual([]);
  });
});
