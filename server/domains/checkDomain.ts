import type { Principal, RequestContext } from '../context';
import { assertRowId } from '../db/ids';
import { inTenant } from '../db/tenantScope';
import { MINUTE_SEC, SECOND_MS } from '../durations';
import { AppError } from '../errors';
import type { DomainDeps } from './deps';
import { recordOf } from './domainName';
import { countAsked, findAsked, listDomains, lockDomains, markAsked } from './domainStore';
import type { Look, StoredDomain } from './domainStore';
import { settleLook } from './settleLook';
import type { SettleDeps } from './settleLook';
import { showDomain } from './showDomains';

type CheckDeps = SettleDeps & Pick<DomainDeps, 'lookUpTxt'>;

/** The shortest time between two looks at one domain that somebody asks for. */
const BETWEEN_MS = 10 * SECOND_MS;
const MOST_IN_MINUTE = 20;
const POLICY = 'domain_checks';

function refuse({ metrics }: Pick<CheckDeps, 'metrics'>, seconds: number, limit: string): never {
  metrics.rateLimited.inc({ policy: POLICY });
  throw new AppError('RATE_LIMITED', {
    detail: `${limit} Wait for the seconds in Retry-After.`,
    headers: { 'retry-after': String(Math.max(1, seconds)) },
    extra: { violatedPolicies: [POLICY] },
  });
}

/** @throws AppError NOT_FOUND; RATE_LIMITED */
function ask(deps: CheckDeps, tenantId: string, id: string): Promise<Look> {
  return inTenant(deps.db, tenantId, async (tx) => {
    await lockDomains(tx, tenantId);
    const asked = await findAsked(tx, tenantId, id);
    if (!asked) throw new AppError('NOT_FOUND');
    const waitMs = asked.sinceMs === null ? 0 : BETWEEN_MS - asked.sinceMs;
    if (waitMs > 0) {
      refuse(deps, Math.ceil(waitMs / SECOND_MS), 'A domain is checked once in ten seconds.');
    }
    if ((await countAsked(tx, tenantId)) >= MOST_IN_MINUTE) {
      refuse(deps, MINUTE_SEC, `A tenant checks at most ${MOST_IN_MINUTE} domains in a minute.`);
    }
    const look = await markAsked(tx, tenantId, id);
    if (!look) throw new AppError('NOT_FOUND');
    return look;
  });
}

/**
 * Looks for the record of a domain of the caller's tenant now.
 * @returns the domain after the look
 * @throws AppError NOT_FOUND, also if somebody removes the domain during the look; RATE_LIMITED
 */
export async function checkDomain(
  deps: CheckDeps,
  ctx: RequestContext,
  { tenantId }: Principal,
  id: string,
): Promise<StoredDomain> {
  assertRowId(id);
  // No transaction is open while DNS is asked.
  const look = await ask(deps, tenantId, id);
  const row = await settleLook(deps, ctx, look, await deps.lookUpTxt(recordOf(look)));
  if (!row) throw new AppError('NOT_FOUND');
  return row;
}

/** Looks at all domains of a tenant now, for an operator. */
export async function checkAllDomains(deps: CheckDeps, ctx: RequestContext, tenantId: string) {
  const shown = [];
  for (const { id } of await listDomains(deps.db, tenantId)) {
    const look = await inTenant(deps.db, tenantId, (tx) => markAsked(tx, tenantId, id));
    if (!look) continue;
    const row = await settleLook(deps, ctx, look, await deps.lookUpTxt(recordOf(look)));
    if (row) shown.push(showDomain(row));
  }
  return { domains: shown };
}
