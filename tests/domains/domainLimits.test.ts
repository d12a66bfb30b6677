import { randomBytes } from 'node:crypto';
import { eq, sql } from 'drizzle-orm';
import { db } from '@/server/db';
import { domains } from '@/server/db/schema';
import { startDnsServer } from '@/tests/helpers/dns/dnsServer';
import {
  DOMAINS,
  addDomain,
  age,
  newDomain,
  openDomainNode,
} from '@/tests/helpers/dns/domainCalls';
import { as, seedOfficer } from '@/tests/helpers/people/officer';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import type { Node } from '@/tests/helpers/server/openNode';

let nodes: [Node, Node];
beforeAll(async () => {
  const dns = await startDnsServer();
  nodes = [openDomainNode(dns), openDomainNode(dns)];
});

/** Stores domains of a tenant directly. */
async function store({ tenantId, staffId: createdBy }: SeededAuth, count: number, removed = false) {
  const rows = Array.from({ length: count }, () => ({
    ...{ tenantId, createdBy, domain: newDomain(), token: randomBytes(20).toString('hex') },
    removedAt: removed ? new Date() : null,
  }));
  return db.insert(domains).values(rows).returning();
}

const check = ({ app }: Node, who: SeededAuth, { id }: { id: string }) =>
  as(app, who).post(`${DOMAINS}/${id}/check`, {});

describe('the limits of domains', () => {
  it('are a hundred for a tenant, also for requests at the same time', async () => {
    const officer = await seedOfficer();
    const [first] = await store(officer, 98);
    const send = (node: Node) => as(node.app, officer).post(DOMAINS, { domain: newDomain() });
    const answers = await Promise.all([nodes[0], nodes[1], nodes[0], nodes[1]].map(send));
    expect(answers.map(({ status }) => status).sort()).toStrictEqual([201, 201, 409, 409]);
    expect(answers.find(({ status }) => status === 409)?.body.error).toBe('TOO_MANY_DOMAINS');
    await as(nodes[0].app, officer).del(`${DOMAINS}/${first?.id}`);
    expect((await send(nodes[0])).status).toBe(201);
    expect((await addDomain(nodes[0].app, await seedOfficer())).state).toBe('waiting');
  });

  it('count the additions of an hour, also those that were removed, so that no loop fills the log', async () => {
    const officer = await seedOfficer();
    await store(officer, 200, true);
    const send = () => as(nodes[0].app, officer).post(DOMAINS, { domain: newDomain() });
    const { status, body, headers } = await send();
    expect([status, body.error, headers['retry-after']]).toStrictEqual([
      429,
      'RATE_LIMITED',
      '3600',
    ]);
    const { tenantId } = officer;
    await db
      .update(domains)
      .set({ createdAt: sql`now() - interval '61 minutes'` })
      .where(eq(domains.tenantId, tenantId));
    expect((await send()).status).toBe(201);
  });

  it('let a domain be checked once in ten seconds, whichever node is asked', async () => {
    const officer = await seedOfficer();
    const added = await addDomain(nodes[0].app, officer);
    const answers = await Promise.all(
      [...nodes, ...nodes].map((node) => check(node, officer, added)),
    );
    expect(answers.map(({ status }) => status).sort()).toStrictEqual([200, 429, 429, 429]);
    const refused = answers.find(({ status }) => status === 429);
    expect(refused?.body.violatedPolicies).toStrictEqual(['domain_checks']);
    expect(Number(refused?.headers['retry-after'])).toBeGreaterThan(0);
    expect(Number(refused?.headers['retry-after'])).toBeLessThanOrEqual(10);
    await age(added, 1);
    expect((await check(nodes[1], officer, added)).status).toBe(200);
  });

  it('let a tenant check twenty domains in a minute', async () => {
    const officer = await seedOfficer();
    const stored = await store(officer, 22);
    const [one, two, ...rest] = stored;
    if (!one || !two) throw new Error('nothing was stored');
    const answers = await Promise.all(rest.map((row) => check(nodes[0], officer, row)));
    expect(new Set(answers.map(({ status }) => status))).toStrictEqual(new Set([200]));
    const { status, headers } = await check(nodes[1], officer, one);
    expect([status, headers['retry-after']]).toStrictEqual([429, '60']);
    await db
      .update(domains)
      .set({ askedAt: sql`now() - interval '61 seconds'` })
      .where(eq(domains.tenantId, officer.tenantId));
    expect((await check(nodes[1], officer, two)).status).toBe(200);
    const other = await seedOfficer();
    expect((await check(nodes[0], other, await addDomain(nodes[0].app, other))).status).toBe(200);
  });
});
