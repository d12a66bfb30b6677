import { randomBytes } from 'node:crypto';
import { eq, sql } from 'drizzle-orm';
import type { Express } from 'express';
import { db } from '@/server/db';
import { domains } from '@/server/db/schema';
import { as } from '../people/officer';
import { openNode } from '../server/openNode';
import type { DnsServer } from './dnsServer';

export const DOMAINS = '/api/tenants/domains';

/** A domain as the API shows it. */
export interface ShownDomain {
  id: string;
  domain: string;
  state: 'waiting' | 'proven' | 'failing' | 'lost';
  record: { name: string; type: 'TXT'; value: string };
  finding: string | null;
  provenAt: string | null;
  checkedAt: string | null;
  failingSince: string | null;
  lostAt: string | null;
}

/** Returns a domain that no other test has. */
export const newDomain = () => `d${randomBytes(6).toString('hex')}.example`;

/** Opens a node that asks this DNS server alone. */
export const openDomainNode = ({ address }: Pick<DnsServer, 'address'>) =>
  openNode((config) => ({ ...config, dnsServers: [address] }));

/** Adds a domain. */
export async function addDomain(
  app: Express,
  who: { token: string },
  domain = newDomain(),
): Promise<ShownDomain> {
  const { status, body } = await as(app, who).post(DOMAINS, { domain });
  if (status !== 201) throw new Error(`the domain was answered with ${status}`);
  return body as ShownDomain;
}

/** Looks for the record of a domain, as if the last look of somebody were long ago. */
export async function checkDomain(app: Express, who: { token: string }, { id }: { id: string }) {
  await db.update(domains).set({ askedAt: null }).where(eq(domains.id, id));
  const { status, body } = await as(app, who).post(`${DOMAINS}/${id}/check`, {});
  return { status, body: body as ShownDomain };
}

/** Adds a domain, sets its record, and proves it. */
export async function proveDomain(
  app: Express,
  dns: DnsServer,
  who: { token: string },
  domain?: string,
): Promise<ShownDomain> {
  const added = await addDomain(app, who, domain);
  dns.set(added.record.name, [[added.record.value]]);
  const { body } = await checkDomain(app, who, added);
  if (body.state !== 'proven') throw new Error(`the domain is ${body.state}`);
  return body;
}

/** Reads a domain as the API shows it. */
export async function readDomain(app: Express, who: { token: string }, { id }: { id: string }) {
  const { body } = await as(app, who).get(DOMAINS);
  const all = (body as { domains: ShownDomain[] }).domains;
  return all.find((one) => one.id === id);
}

/** Makes everything about a domain some minutes older. */
export async function age({ id }: { id: string }, minutes: number): Promise<void> {
  const columns = ['created_at', 'proven_at', 'asked_at', 'checked_at', 'next_check_at'];
  const all = [...columns, 'failing_since', 'gone_at', 'lost_at', 'told_at'];
  const older = all.map((name) => `${name} = ${name} - interval '${minutes} minutes'`);
  await db.execute(sql`UPDATE domains SET ${sql.raw(older.join(', '))} WHERE id = ${id}`);
}
