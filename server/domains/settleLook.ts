import { recordAudit } from '../audit';
import type { AuditEvent } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import { databaseFault } from '../db/pgErrors';
import { inTenant } from '../db/tenantScope';
import { DAY_MS } from '../durations';
import type { Kernel } from '../kernel';
import { queueDomainMail } from '../mail';
import type { NoticeDeps } from '../mail';
import { recordOf } from './domainName';
import { listEditors, lockDomain, updateDomain } from './domainStore';
import type { Look, StoredDomain } from './domainStore';
import { judgeLook, lostAfter, stateOf } from './judgeLook';
import type { Judged } from './judgeLook';
import type { TxtFinding } from './txtLookup';

export type SettleDeps = NoticeDeps & Pick<Kernel, 'db'>;

/** Administrators who get a mail. All of them find the state in the list. */
const MOST_MAILED = 10;

/** Returns the event of a look; undefined if it changes no state. */
function eventOf(before: StoredDomain, judged: Judged): AuditEvent | undefined {
  const { id, domain } = before;
  const [from, to] = [stateOf(before), stateOf(judged)];
  if (from === to) return undefined;
  const about = { outcome: 'success', subject: `domain:${id}` } as const;
  const { finding, failingSince, goneLooks: looks } = judged;
  if (to === 'proven') {
    return { ...about, action: 'DOMAIN_PROVEN', details: { domain, before: from } };
  }
  if (finding !== 'missing' && finding !== 'differs') return undefined;
  if (to === 'failing' && failingSince) {
    const until = lostAfter(failingSince).toISOString();
    const details = { domain, finding, lostAfter: until };
    return { ...about, action: 'DOMAIN_PROOF_FAILING', details };
  }
  const since = (before.failingSince ?? judged.lostAt)?.toISOString() ?? '';
  const details = { domain, finding, failingSince: since, looks };
  return { ...about, action: 'DOMAIN_PROOF_LOST', details };
}

/**
 * Queues the mails about a proof that fails or is lost. About one that fails there is at most one in
 * a day: servers of one domain that disagree would cause one after each look.
 * @returns when somebody was told
 */
async function tell(
  deps: SettleDeps,
  tx: Tx,
  before: StoredDomain,
  { judged, now }: { judged: Judged; now: Date },
): Promise<Date | null> {
  const { tenantId, domain, toldAt } = before;
  const { failingSince } = judged;
  const isFailing = failingSince !== null;
  if (isFailing && toldAt !== null && now.getTime() - toldAt.getTime() < DAY_MS) return toldAt;
  const record = recordOf(before);
  const facts = isFailing
    ? { kind: 'domain_failing' as const, domain, record, lostAfter: lostAfter(failingSince) }
    : { kind: 'domain_lost' as const, domain, record };
  for (const staffId of await listEditors(tx, tenantId, MOST_MAILED)) {
    await queueDomainMail(deps, tx, { tenantId, staffId }, facts);
  }
  return now;
}

/** Writes what a look changes. @returns undefined if another tenant's proof of the domain holds */
async function write(
  tx: Tx,
  { tenantId, id }: StoredDomain,
  set: Partial<StoredDomain>,
): Promise<StoredDomain | undefined> {
  try {
    // A savepoint: the transaction goes on after a violation of the unique index.
    return await tx.transaction((inner) => updateDomain(inner, tenantId, id, set));
  } catch (error) {
    if (databaseFault(error) !== 'unique_violation') throw error;
    return undefined;
  }
}

async function settle(
  deps: SettleDeps,
  tx: Tx,
  ctx: RequestContext,
  { look, finding }: { look: Look; finding: TxtFinding },
): Promise<StoredDomain | undefined> {
  const { tenantId, id, startedAt } = look;
  const locked = await lockDomain(tx, tenantId, id);
  if (!locked) return undefined;
  const { row: before, now } = locked;
  // Another look began later, and was quicker.
  if (before.checkedAt !== null && before.checkedAt > startedAt) return before;
  const judged = judgeLook(before, finding, now);
  const event = eventOf(before, judged);
  const isTold = event?.action.startsWith('DOMAIN_PROOF_') === true;
  const toldAt = isTold ? await tell(deps, tx, before, { judged, now }) : before.toldAt;
  const after = await write(tx, before, { ...judged, checkedAt: startedAt, toldAt });
  if (!after) return updateDomain(tx, tenantId, id, { finding: 'taken', checkedAt: startedAt });
  if (event) await recordAudit(tx, ctx, { ...event, tenantId });
  return after;
}

/**
 * Notes what a look has found, with its event and its mails.
 * @returns the domain; undefined if it was removed during the look
 */
export async function settleLook(
  deps: SettleDeps,
  ctx: RequestContext,
  look: Look,
  finding: TxtFinding,
): Promise<StoredDomain | undefined> {
  const row = await inTenant(deps.db, look.tenantId, (tx) =>
    settle(deps, tx, ctx, { look, finding }),
  );
  deps.mail.wake();
  return row;
}
