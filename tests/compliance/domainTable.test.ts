import { eq } from 'drizzle-orm';
import { db } from '@/server/db';
import type { AuditAction } from '@/server/audit';
import { domains } from '@/server/db/schema';
import { writeEvents } from '@/tests/helpers/evidence/auditReads';
import { downloadEvidence, utcToday } from '@/tests/helpers/evidence/evidenceBundle';
import { at } from '@/tests/helpers/evidence/pastStaff';
import { RCODE, startDnsServer } from '@/tests/helpers/dns/dnsServer';
import type { DnsServer } from '@/tests/helpers/dns/dnsServer';
import {
  DOMAINS,
  addDomain,
  checkDomain,
  openDomainNode,
  proveDomain,
} from '@/tests/helpers/dns/domainCalls';
import { as, seedOfficer } from '@/tests/helpers/people/officer';
import type { Node } from '@/tests/helpers/server/openNode';
import { verify } from '@/tests/verifier/verifyFile';

const TODAY = { from: utcToday(), to: utcToday(), format: 'csv' };
const FEBRUARY = { from: '2025-02-01', to: '2025-02-28', format: 'csv' };
const MARCH = { from: '2025-03-01', to: '2025-03-31', format: 'csv' };
const APRIL = { from: '2025-04-01', to: '2025-04-30', format: 'csv' };
const instant = (text: string) => at(text).toISOString();

let dns: DnsServer;
let node: Node;
beforeAll(async () => {
  dns = await startDnsServer();
  node = openDomainNode(dns);
});

type Row = Record<string, string>;
const shownBy = (rows: Row[], isState: boolean) =>
  rows.filter((row) => (row['shows'] === 'domain') === isState);

describe('domains.csv', () => {
  it('has each domain with its state, and each event with who caused it, and is sound', async () => {
    const officer = await seedOfficer();
    const { app } = node;
    const failing = await proveDomain(app, dns, officer);
    dns.set(failing.record.name, RCODE.nxDomain);
    await checkDomain(app, officer, failing);
    const removed = await addDomain(app, officer);
    await as(app, officer).del(`${DOMAINS}/${removed.id}`);
    const { table, zip, manifest } = await downloadEvidence(app, officer, TODAY);
    const rows = table('domains.csv');
    const { staffId, email } = officer;
    const added = { added_by: staffId, added_by_email: email, record: 'recorded', leaf_index: '' };
    expect(shownBy(rows, true)).toMatchObject([
      { ...added, domain_id: failing.id, domain: failing.domain, state: 'failing' },
      { ...added, domain_id: removed.id, state: 'removed', proven_at: '' },
    ]);
    expect(shownBy(rows, true)[0]?.['proven_at']).not.toBe('');
    const by = { actor: staffId, actor_email: email };
    expect(shownBy(rows, false)).toMatchObject([
      { ...by, shows: 'added', domain_id: failing.id, via: 'api' },
      { ...by, shows: 'proven', state_before: 'waiting' },
      { ...by, shows: 'failing', finding: 'missing' },
      { ...by, shows: 'added', domain_id: removed.id },
      { ...by, shows: 'removed', state_before: 'waiting' },
    ]);
    expect((await verify(zip, { keys: [manifest.key] })).found).toEqual([]);
  });

  it('has the state at the end of the range, whatever came later, and nothing of other tenants', async () => {
    const officer = await seedOfficer();
    const { tenantId, staffId: createdBy } = officer;
    await addDomain(node.app, await seedOfficer());
    const times = { createdAt: at('02-10T00:00:00'), provenAt: at('03-02T00:00:00') };
    const ends = { lostAt: at('04-02T00:00:00'), removedAt: at('04-20T00:00:00') };
    const [row] = await db
      .insert(domains)
      .values({ tenantId, createdBy, domain: 'acme.example', token: 'x', ...times, ...ends })
      .returning();
    const tell = (action: AuditAction, when: string, details: object) => ({
      ...{ action, subject: `domain:${row?.id}`, actor: 'ann', occurredAt: at(when) },
      details: { domain: 'acme.example', ...details },
    });
    await writeEvents(tenantId, [
      tell('DOMAIN_ADDED', '02-10T00:00:00', { via: 'api' }),
      tell('DOMAIN_PROVEN', '03-02T00:00:00', { before: 'waiting' }),
      tell('DOMAIN_PROOF_FAILING', '03-10T00:00:00', { finding: 'missing' }),
      tell('DOMAIN_PROVEN', '03-11T00:00:00', { before: 'failing' }),
      tell('DOMAIN_PROOF_LOST', '04-02T00:00:00', { finding: 'missing', looks: 3 }),
      tell('DOMAIN_REMOVED', '04-20T00:00:00', { before: 'lost', via: 'api' }),
    ]);
    const statesIn = async (range: object) => {
      const { table } = await downloadEvidence(node.app, officer, range);
      const rows = shownBy(table('domains.csv'), true);
      return rows.map((one) => [one['state'], one['proven_at'], one['record']]);
    };
    const provenAt = instant('03-02T00:00:00');
    expect(await statesIn(FEBRUARY)).toEqual([['waiting', '', 'recorded']]);
    expect(await statesIn(MARCH)).toEqual([['proven', provenAt, 'recorded']]);
    expect(await statesIn(APRIL)).toEqual([['removed', '', 'recorded']]);
    expect(await statesIn(TODAY)).toEqual([]);
  });

  it('has a domain whose state was written in the database itself as unrecorded', async () => {
    const officer = await seedOfficer();
    const { id } = await addDomain(node.app, officer);
    await db.update(domains).set({ provenAt: new Date() }).where(eq(domains.id, id));
    const { table } = await downloadEvidence(node.app, officer, TODAY);
    expect(shownBy(table('domains.csv'), true)).toMatchObject([{ record: 'unrecorded' }]);
  });

  it('is made, and sound, although somebody has written events with odd details', async () => {
    const { tenantId, ...officer } = await seedOfficer();
    const actions = ['DOMAIN_ADDED', 'DOMAIN_PROVEN', 'DOMAIN_PROOF_LOST'];
    const odd: unknown[] = [7, [1], 'x', { domain: '=1+1', before: [0.5], looks: { b: 1 } }];
    const subjects = ['domain:', 'domain:🦊', 'x', null];
    const events = actions.flatMap((action) =>
      odd.map((details, n) => ({
        ...{ action, details, subject: subjects[n] },
        occurredAt: at('03-08T00:00:00'),
      })),
    );
    await writeEvents(tenantId, events as Parameters<typeof writeEvents>[1]);
    const { zip, manifest } = await downloadEvidence(node.app, officer, MARCH);
    expect((await verify(zip, { keys: [manifest.key] })).found).toEqual([]);
  });
});
