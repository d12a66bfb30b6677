import type { Kernel } from '../kernel';
import { recordOf } from './domainName';
import { listDomains } from './domainStore';
import type { StoredDomain } from './domainStore';
import { stateOf } from './judgeLook';

/** Returns a domain as routes and commands show it. */
export const showDomain = (row: StoredDomain) => ({
  id: row.id,
  domain: row.domain,
  state: stateOf(row),
  record: recordOf(row),
  createdAt: row.createdAt,
  createdBy: row.createdBy,
  provenAt: row.provenAt,
  checkedAt: row.checkedAt,
  finding: row.finding,
  failingSince: row.failingSince,
  lostAt: row.lostAt,
});

/** Returns the domains of a tenant. */
export async function showDomains({ db }: Pick<Kernel, 'db'>, tenantId: string) {
  const rows = await listDomains(db, tenantId);
  return { domains: rows.map(showDomain) };
}
