import { recordAudit } from '../audit';
import type { Principal, RequestContext } from '../context';
import { inTenant } from '../db/tenantScope';
import { HOUR_SEC } from '../durations';
import { AppError } from '../errors';
import type { DomainDeps } from './deps';
import { assertOwnable } from './domainName';
import { countDomains, insertDomain, lockDomains } from './domainStore';
import type { StoredDomain } from './domainStore';

const MOST_DOMAINS = 100;
/** Each one is an event that nobody can delete, so a loop would fill the audit log. */
const MOST_ADDED_IN_HOUR = 2 * MOST_DOMAINS;
const POLICY = 'domains';
const TOKEN_BYTES = 20;

/** @throws AppError DOMAIN_EXISTS; TOO_MANY_DOMAINS; RATE_LIMITED */
function assertRoom(
  { metrics }: Pick<DomainDeps, 'metrics'>,
  counted: { all: number; same: number; lastHour: number },
): void {
  if (counted.same > 0) throw new AppError('DOMAIN_EXISTS');
  if (counted.all >= MOST_DOMAINS) {
    const detail = `A tenant has at most ${MOST_DOMAINS} domains. First remove domains that nobody needs.`;
    throw new AppError('TOO_MANY_DOMAINS', { detail });
  }
  if (counted.lastHour < MOST_ADDED_IN_HOUR) return;
  metrics.rateLimited.inc({ policy: POLICY });
  throw new AppError('RATE_LIMITED', {
    detail: `A tenant adds at most ${MOST_ADDED_IN_HOUR} domains in an hour. Wait for the seconds in Retry-After.`,
    headers: { 'retry-after': String(HOUR_SEC) },
    extra: { violatedPolicies: [POLICY] },
  });
}

/**
 * Adds a domain to the caller's tenant. It has no effect before it is proven. The answer does not
 * depend on whether another tenant has the domain.
 * @throws AppError DOMAIN_NOT_ALLOWED; DOMAIN_EXISTS; TOO_MANY_DOMAINS; RATE_LIMITED
 */
export async function addDomain(
  deps: Pick<DomainDeps, 'db' | 'random' | 'metrics'>,
  ctx: RequestContext,
  { tenantId, staffId }: Principal,
  domain: string,
): Promise<StoredDomain> {
  assertOwnable(domain);
  return inTenant(deps.db, tenantId, async (tx) => {
    await lockDomains(tx, tenantId);
    assertRoom(deps, await countDomains(tx, tenantId, domain));
    const id = deps.random.id();
    // In lower case: the forms of some DNS providers change the case of a value.
    const token = deps.random.bytes(TOKEN_BYTES).toString('hex');
    const row = await insertDomain(tx, { id, tenantId, domain, token, createdBy: staffId });
    await recordAudit(tx, ctx, {
      action: 'DOMAIN_ADDED',
      outcome: 'success',
      subject: `domain:${id}`,
      details: { domain, via: 'api' },
    });
    return row;
  });
}
