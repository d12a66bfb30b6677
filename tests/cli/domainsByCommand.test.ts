import { auditOf } from '../helpers/database/authRows';
import { RCODE, startDnsServer } from '../helpers/dns/dnsServer';
import type { DnsServer } from '../helpers/dns/dnsServer';
import { addDomain, openDomainNode, proveDomain } from '../helpers/dns/domainCalls';
import { seedOfficer } from '../helpers/people/officer';
import type { Node } from '../helpers/server/openNode';
import { operate } from '../helpers/server/operatorCommand';
import { externalEnv } from '../helpers/server/serverProcess';

let dns: DnsServer;
let node: Node;
beforeAll(async () => {
  dns = await startDnsServer();
  node = openDomainNode(dns);
});

const run = (words: string[]) =>
  operate({ ...externalEnv(), DNS_SERVERS: dns.address }, ['domains', ...words]);

async function succeed(words: string[]) {
  const { code, stdout, stderr } = await run(words);
  expect({ code, stderr }).toStrictEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as { domains: object[] };
}

describe('domains', () => {
  it('list shows what the tenant sees, and nothing of others', async () => {
    const officer = await seedOfficer();
    await addDomain(node.app, await seedOfficer());
    const { record, domain } = await addDomain(node.app, officer);
    const shown = await succeed(['list', '--tenant', officer.tenantSlug]);
    expect(shown).toMatchObject({ tenantId: officer.tenantId, domains: [{ domain, record }] });
    expect(shown.domains).toHaveLength(1);
  });

  it('check looks at all domains of a tenant now, as the operator', async () => {
    const officer = await seedOfficer();
    const proven = await proveDomain(node.app, dns, officer);
    const waiting = await addDomain(node.app, officer);
    dns.set(proven.record.name, RCODE.nxDomain);
    dns.set(waiting.record.name, [[waiting.record.value]]);
    const words = ['check', '--tenant', officer.tenantSlug, '--ticket', 'OPS-7'];
    const { domains } = await succeed(words);
    const states = [
      { id: proven.id, state: 'failing', finding: 'missing' },
      { id: waiting.id, state: 'proven', finding: 'found' },
    ];
    expect(domains).toHaveLength(2);
    for (const one of states) expect(domains).toContainEqual(expect.objectContaining(one));
    const [, event] = await auditOf('DOMAIN_PROVEN', officer.tenantId);
    expect(event).toMatchObject({ subject: `domain:${waiting.id}`, details: { ticket: 'OPS-7' } });
    expect(event?.actor).not.toBe(officer.staffId);
  });

  it('say so if there is no such tenant', async () => {
    for (const what of ['list', 'check']) {
      const { code, stderr } = await run([what, '--tenant', 'nobody-has-this']);
      expect([code, stderr]).toStrictEqual([1, expect.stringContaining('nobody-has-this')]);
    }
  });
});
