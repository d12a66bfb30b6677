import { randomBytes } from 'node:crypto';
import { eq } from 'drizzle-orm';
import { db } from '@/server/db';
import { domains } from '@/server/db/schema';
import { auditOf } from '@/tests/helpers/database/authRows';
import { RCODE, startDnsServer } from '@/tests/helpers/dns/dnsServer';
import type { DnsServer, Zone } from '@/tests/helpers/dns/dnsServer';
import {
  DOMAINS,
  addDomain,
  checkDomain,
  newDomain,
  openDomainNode,
  proveDomain,
  readDomain,
} from '@/tests/helpers/dns/domainCalls';
import { MAY_ALL, as, seedOfficer } from '@/tests/helpers/people/officer';
import { deleteTenant } from '@/server/tenants';
import type { Node } from '@/tests/helpers/server/openNode';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';

let dns: DnsServer;
let node: Node;
let other: Node;
beforeAll(async () => {
  dns = await startDnsServer();
  node = openDomainNode(dns);
  other = openDomainNode(dns);
});

describe('a domain', () => {
  it('waits at first, with the record to set, which has a token of its own', async () => {
    const [one, two] = [await seedOfficer(), await seedOfficer()];
    const domain = newDomain();
    const added = await addDomain(node.app, one, domain);
    expect(added).toMatchObject({
      ...{ domain, state: 'waiting', finding: null, provenAt: null, checkedAt: null },
      record: { name: `_gatehouse.${domain}`, type: 'TXT' },
    });
    expect(added.record.value).toMatch(/^gatehouse-domain=[0-9a-f]{40}$/);
    const theirs = await addDomain(node.app, two, domain);
    expect(theirs.record.value).not.toBe(added.record.value);
    expect((await as(node.app, one).get(DOMAINS)).body.domains).toStrictEqual([added]);
  });

  it('is proven by its record, with the change in the audit log', async () => {
    const officer = await seedOfficer();
    const { id, domain, provenAt } = await proveDomain(node.app, dns, officer);
    expect(provenAt).not.toBeNull();
    const about = { subject: `domain:${id}`, actor: officer.staffId };
    expect(await auditOf('DOMAIN_ADDED', officer.tenantId)).toMatchObject([
      { ...about, details: { domain, via: 'api' } },
    ]);
    expect(await auditOf('DOMAIN_PROVEN', officer.tenantId)).toMatchObject([
      { ...about, details: { domain, before: 'waiting' } },
    ]);
  });

  it('is seen with SETTINGS_SECURITY_VIEW, and changed with SETTINGS_SECURITY_EDIT and a proof alone', async () => {
    const { tenantId, token } = await seedOfficer();
    const { id } = await addDomain(node.app, { token });
    const viewer = await seedTestUserAndToken({ tenantId, permissions: MAY_ALL.slice(0, 1) });
    expect((await as(node.app, viewer).get(DOMAINS)).body.domains).toMatchObject([{ id }]);
    const acts = (send: ReturnType<typeof as>) => [
      send.post(DOMAINS, { domain: newDomain() }),
      send.post(`${DOMAINS}/${id}/check`, {}),
      send.del(`${DOMAINS}/${id}`),
    ];
    const answers = await Promise.all(acts(as(node.app, viewer)));
    expect(answers.map(({ status }) => status)).toStrictEqual([403, 403, 403]);
    const unproven = acts(as(node.app, { token })).map((act) => act.unset('x-stepup-test-bypass'));
    expect((await Promise.all(unproven)).map(({ status }) => status)).toStrictEqual([
      428, 428, 428,
    ]);
  });

  it('is nobody else’s: another tenant can neither check nor remove it', async () => {
    const officer = await seedOfficer();
    const proven = await proveDomain(node.app, dns, officer);
    const stranger = await seedOfficer();
    const path = `${DOMAINS}/${proven.id}`;
    expect((await as(node.app, stranger).post(`${path}/check`, {})).status).toBe(404);
    expect((await as(node.app, stranger).del(path)).status).toBe(404);
    expect(await readDomain(node.app, officer, proven)).toMatchObject({ state: 'proven' });
  });
});

describe('the answer of DNS', () => {
  const long = (length: number) => randomBytes(length).toString('hex').slice(0, length);
  const missing: [string, (value: string) => Zone][] = [
    ['the name does not exist', () => RCODE.nxDomain],
    ['the name has no TXT record', () => []],
  ];
  const differs: [string, (value: string) => Zone][] = [
    ['a record with more text', (value) => [[`${value} `], [`x${value}`]]],
    ['the parts of the value in two records', (value) => [[value.slice(0, 20)], [value.slice(20)]]],
    ['the parts in the wrong order', (value) => [[value.slice(20), value.slice(0, 20)]]],
    ['the value in upper case', (value) => [[value.toUpperCase()]]],
    ['the token alone', (value) => [[value.split('=')[1] ?? '']]],
    ['an empty record', () => [['']]],
    ['a huge record', () => [Array.from({ length: 200 }, () => long(255))]],
    ['bytes that are no UTF-8', () => [['\u0000\u00ff\u0080']]],
    ['the record of another tenant', () => [[`gatehouse-domain=${long(40)}`]]],
  ];
  const found: [string, (value: string) => Zone][] = [
    ['one record', (value) => [[value]]],
    ['a record in parts', (value) => [[...value]]],
    [
      'the record among many',
      (value) => [...Array.from({ length: 60 }, () => [long(100)]), [value]],
    ],
    ['the record twice', (value) => [[value], [value]]],
  ];
  const unreachable: [string, (value: string) => Zone][] = [
    ['SERVFAIL', () => RCODE.servFail],
    ['REFUSED', () => RCODE.refused],
    ['FORMERR', () => RCODE.formErr],
    ['a record without parts, which no server may send', () => [[]]],
    ['no answer', () => 'silence'],
  ];
  const cases = [
    ...missing.map(([title, zone]) => [title, 'missing', zone] as const),
    ...differs.map(([title, zone]) => [title, 'differs', zone] as const),
    ...found.map(([title, zone]) => [title, 'found', zone] as const),
    ...unreachable.map(([title, zone]) => [title, 'unreachable', zone] as const),
  ];

  it.each(cases)('%s is taken for %s', async (_title, finding, zone) => {
    const officer = await seedOfficer();
    const added = await addDomain(node.app, officer);
    dns.set(added.record.name, zone(added.record.value));
    const { status, body } = await checkDomain(node.app, officer, added);
    const state = finding === 'found' ? 'proven' : 'waiting';
    expect([status, body.finding, body.state]).toStrictEqual([200, finding, state]);
    expect(body.checkedAt).not.toBeNull();
    const events = await auditOf('DOMAIN_PROVEN', officer.tenantId);
    expect(events).toHaveLength(finding === 'found' ? 1 : 0);
  });

  it('comes within seconds or counts as none, also if no server listens', async () => {
    const officer = await seedOfficer();
    // The discard port of loopback.
    const cutOff = openDomainNode({ address: '127.0.0.1:9' });
    const added = await addDomain(cutOff.app, officer);
    const begun = performance.now();
    const { body } = await checkDomain(cutOff.app, officer, added);
    expect([body.finding, body.state]).toStrictEqual(['unreachable', 'waiting']);
    expect(performance.now() - begun).toBeLessThan(8000);
  });

  it('of a name below or above proves nothing', async () => {
    const officer = await seedOfficer();
    const added = await addDomain(node.app, officer);
    for (const name of [added.domain, `_gatehouse.www.${added.domain}`, '_gatehouse.example']) {
      dns.set(name, [[added.record.value]]);
    }
    const { body } = await checkDomain(node.app, officer, added);
    expect([body.state, body.finding]).toStrictEqual(['waiting', 'missing']);
    expect(dns.asked).toContain(added.record.name);
    expect(dns.asked).not.toContain(added.domain);
  });
});

describe('two tenants with one domain', () => {
  it('get the same answers as long as the record of only one is there', async () => {
    const [holder, stranger] = [await seedOfficer(), await seedOfficer()];
    const { domain } = await proveDomain(node.app, dns, holder);
    const taken = await addDomain(node.app, stranger, domain);
    const free = await addDomain(node.app, stranger);
    dns.set(free.record.name, [['gatehouse-domain=another']]);
    const [one, two] = [
      await checkDomain(node.app, stranger, taken),
      await checkDomain(node.app, stranger, free),
    ];
    const alike = { finding: 'differs', state: 'waiting', status: 200 };
    expect({ ...one.body, status: one.status }).toMatchObject(alike);
    expect({ ...two.body, status: two.status }).toMatchObject(alike);
    expect(Object.keys(one.body)).toStrictEqual(Object.keys(two.body));
  });

  it('that prove it at once on two nodes: one wins, and the other learns that it is taken', async () => {
    for (let round = 0; round < 5; round += 1) {
      const officers = [await seedOfficer(), await seedOfficer()] as const;
      const domain = newDomain();
      const rows = [
        await addDomain(node.app, officers[0], domain),
        await addDomain(node.app, officers[1], domain),
      ] as const;
      dns.set(
        `_gatehouse.${domain}`,
        rows.map(({ record }) => [record.value]),
      );
      const answers = await Promise.all([
        checkDomain(node.app, officers[0], rows[0]),
        checkDomain(other.app, officers[1], rows[1]),
      ]);
      expect(answers.map(({ status }) => status)).toStrictEqual([200, 200]);
      const seen = answers.map(({ body }) => `${body.state} ${body.finding}`);
      expect(seen.sort()).toStrictEqual(['proven found', 'waiting taken']);
      const events = await Promise.all(
        officers.map(({ tenantId }) => auditOf('DOMAIN_PROVEN', tenantId)),
      );
      expect(events.flat()).toHaveLength(1);
    }
  });

  it('change over as soon as the first removes it', async () => {
    const [first, second] = [await seedOfficer(), await seedOfficer()];
    const held = await proveDomain(node.app, dns, first);
    const wanted = await addDomain(node.app, second, held.domain);
    dns.set(held.record.name, [[held.record.value], [wanted.record.value]]);
    const refused = await checkDomain(node.app, second, wanted);
    expect(refused.body).toMatchObject({ state: 'waiting', finding: 'taken' });
    expect((await as(node.app, first).del(`${DOMAINS}/${held.id}`)).status).toBe(204);
    expect(await auditOf('DOMAIN_REMOVED', first.tenantId)).toMatchObject([
      { subject: `domain:${held.id}`, details: { before: 'proven', via: 'api' } },
    ]);
    expect((await checkDomain(node.app, second, wanted)).body.state).toBe('proven');
  });

  it('change over when the first tenant is deleted, whose domains are then removed', async () => {
    const [first, second] = [await seedOfficer(), await seedOfficer()];
    const held = await proveDomain(node.app, dns, first);
    const { tenantId } = first;
    await deleteTenant(node.deps, operatorContext, { tenantId });
    expect(await auditOf('DOMAIN_REMOVED', tenantId)).toMatchObject([
      { details: { before: 'proven', reason: 'tenant_deleted', via: 'operator' } },
    ]);
    expect(await auditOf('TENANT_DELETED', tenantId)).toMatchObject([{ details: { domains: 1 } }]);
    const wanted = await addDomain(node.app, second, held.domain);
    dns.set(held.record.name, [[wanted.record.value]]);
    expect((await checkDomain(node.app, second, wanted)).body.state).toBe('proven');
  });
});

describe('a domain that is removed during a look', () => {
  it('is not proven by that look, which is answered as if it had never been there', async () => {
    const officer = await seedOfficer();
    const added = await addDomain(node.app, officer);
    dns.set(added.record.name, [[added.record.value]]);
    const question = dns.hold();
    const looking = checkDomain(node.app, officer, added);
    const release = await question;
    expect((await as(other.app, officer).del(`${DOMAINS}/${added.id}`)).status).toBe(204);
    release();
    expect((await looking).status).toBe(404);
    expect(await auditOf('DOMAIN_PROVEN', officer.tenantId)).toStrictEqual([]);
    const [row] = await db.select().from(domains).where(eq(domains.id, added.id));
    expect(row).toMatchObject({ provenAt: null, nextCheckAt: null });
  });
});
