import { recordAudit } from '../audit';
import { nameDevice } from '../auth';
import type { Principal, RequestContext } from '../context';
import type { ProfileDeps } from './deps';
import { AppError } from '../errors';
import type { Passage } from '../http/passage';
import { countRecoveryCodes, listFactors, withProof } from '../security';
import { listOwnEvents } from './listOwnEvents';
import {
  listOwnChallenges,
  listOwnEmailChanges,
  listOwnImpersonations,
  listOwnMails,
  listOwnSessionRows,
  listOwnTenants,
  readAccount,
  readOwnConsent,
  readOwnDirectory,
  readOwnHabits,
} from './ownDataStore';

/** The file is built in memory, so each list has a limit. */
const MOST_ROWS = 1000;
const MOST_EVENTS = 1000;

type OwnData = Awaited<ReturnType<typeof gather>>;

async function gather(deps: ProfileDeps, principal: Principal) {
  const { db } = deps;
  const { tenantId, staffId, userId } = principal;
  const account = await readAccount(db, principal);
  if (!account) throw new AppError('NOT_FOUND');
  const sessions = await listOwnSessionRows(db, principal, MOST_ROWS);
  const events = await listOwnEvents(deps, principal, { limit: MOST_EVENTS });
  return {
    format: 'gatehouse-own-data-1',
    createdAt: deps.clock.now(),
    mostRowsOfAList: MOST_ROWS,
    tenant: { id: tenantId, ...principal.tenant },
    ...account,
    memberships: await listOwnTenants(db, userId),
    sessions: sessions.map((row) => ({ ...row, device: nameDevice(row.userAgent) })),
    factors: await listFactors(db, tenantId, staffId),
    recoveryCodes: await countRecoveryCodes(db, tenantId, staffId),
    known: await readOwnHabits(db, principal, MOST_ROWS),
    stepUps: await listOwnChallenges(db, principal, MOST_ROWS),
    emailChanges: await listOwnEmailChanges(db, principal, MOST_ROWS),
    impersonatedBy: await listOwnImpersonations(db, principal, 'subject', MOST_ROWS),
    impersonated: await listOwnImpersonations(db, principal, 'actor', MOST_ROWS),
    impersonationConsent: await readOwnConsent(db, principal),
    directory: await readOwnDirectory(db, principal),
    mails: await listOwnMails(db, principal, MOST_ROWS),
    events: events.events,
    /** The cursor for `GET /api/auth/me/events`, if there are more events than the file holds. */
    eventsNextCursor: events.nextCursor,
  };
}

/**
 * Returns the data that is stored about the caller in this tenant, without secrets, and the names
 * of the tenants to which their account belongs. It records OWN_DATA_EXPORTED.
 * @param passage the proof that this act consumes
 * @throws AppError STEP_UP_REQUIRED if another act used the proof
 */
export async function exportOwnData(
  deps: ProfileDeps,
  ctx: RequestContext,
  principal: Principal,
  passage: Passage,
): Promise<OwnData> {
  // Read the data first: if the database fails now, the proof is not consumed and nothing is recorded.
  const data = await gather(deps, principal);
  await withProof(deps, ctx, principal, passage, (tx) =>
    recordAudit(tx, ctx, {
      action: 'OWN_DATA_EXPORTED',
      outcome: 'success',
      subject: `staff:${principal.staffId}`,
      details: { sessions: data.sessions.length, events: data.events.length },
    }),
  );
  return data;
}
