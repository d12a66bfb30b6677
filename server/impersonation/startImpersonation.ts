import { isEndReason, recordAudit } from '../audit';
import type { EndReason } from '../audit';
import { findOver, invalidToken } from '../auth';
import type { Principal, RequestContext } from '../context';
import type { Tx } from '../db';
import { assertRowId } from '../db/ids';
import { inTenant } from '../db/tenantScope';
import type { ImpersonationScope } from '../db/schema';
import { MINUTE_MS } from '../durations';
import { AppError } from '../errors';
import type { Passage } from '../http/passage';
import type { ImpersonationRefusal } from '../impersonationRefusals';
import { queueImpersonationMail } from '../mail';
import { withProof } from '../security';
import { lockMembers, lockTenant } from '../tenants';
import { forbids } from './changeImpersonationPolicy';
import { findConsent } from './consentStore';
import type { GivenConsent } from './consentStore';
import type { ImpersonationDeps } from './deps';
import { contextOfBoth, endImpersonation, termsOf } from './endImpersonation';
import { readImpersonationPolicy } from './impersonationPolicyStore';
import type { ImpersonationPolicy } from './impersonationPolicyStore';
import { findRunningOf, insertImpersonation, isSessionLive, readPerson } from './runningStore';
import type { Impersonated, Person } from './runningStore';

/** The usual length; a policy may allow less. */
const USUAL_MINUTES = 15;

/** Somebody who wants to act as a member, for a time. */
export interface AskedImpersonation {
  staffId: string;
  reason: string;
  scope: ImpersonationScope;
  minutes?: number | undefined;
}

/** An impersonation that runs, and the person as whom the actor acts. */
export interface StartedImpersonation {
  row: Impersonated;
  subject: Pick<Person, 'staffId' | 'email' | 'name'>;
}

/** The details of refusals, for the person who asked. */
const REFUSED: Partial<Record<ImpersonationRefusal, string>> = {
  policy: 'The policy of the tenant allows no impersonation.',
  scope: 'The policy of the tenant allows to read only.',
  ticket_missing: 'The policy of the tenant asks for a ticket.',
  running: 'You act as somebody else already. Stop that first.',
  self: 'You cannot act as yourself.',
  subject_inactive: 'This person cannot sign in.',
  consent_missing: 'This person has not allowed it. Ask them to allow it in their own account.',
};

const refused = (refusal: ImpersonationRefusal, detail = REFUSED[refusal]): AppError =>
  new AppError('IMPERSONATION_REFUSED', {
    ...(detail === undefined ? {} : { detail }),
    extra: { refusal },
  });

/** Refuses what the policy of the tenant does not allow, whoever is impersonated. */
function assertPolicyAllows(
  policy: ImpersonationPolicy,
  { scope }: AskedImpersonation,
  { minutes, ticket }: { minutes: number; ticket: string | undefined },
): void {
  if (policy.mode === 'off') throw refused('policy');
  if (forbids(policy, scope)) throw refused('scope');
  if (minutes > policy.maxMinutes) {
    throw refused('too_long', `The policy allows ${policy.maxMinutes} minutes at most.`);
  }
  if (policy.ticketRequired && ticket === undefined) throw refused('ticket_missing');
}

/**
 * Refuses a start whose terms are not allowed, whatever the subject holds.
 * @returns the subject, the policy and the minutes
 * @throws AppError NOT_FOUND if the tenant has no such member; IMPERSONATION_REFUSED
 */
async function assertTerms(
  tx: Tx,
  { ticket }: RequestContext,
  { tenantId, staffId }: Principal,
  asked: AskedImpersonation,
) {
  const subject = await readPerson(tx, tenantId, asked.staffId);
  if (!subject) throw new AppError('NOT_FOUND');
  if (subject.staffId === staffId) throw refused('self');
  const { policy } = await readImpersonationPolicy(tx, tenantId);
  const minutes = asked.minutes ?? Math.min(USUAL_MINUTES, policy.maxMinutes);
  assertPolicyAllows(policy, asked, { minutes, ticket });
  return { subject, policy, minutes };
}

/** Refuses to act as somebody who may not sign in, or may do something that the actor may not. */
function assertMayActAs(actor: Person, subject: Person): void {
  if (!subject.active) throw refused('subject_inactive');
  const beyond = subject.permissions.filter((one) => !actor.permissions.includes(one));
  if (beyond.length === 0) return;
  const detail = `This person holds permissions that you do not hold: ${beyond.join(', ')}.`;
  throw refused('subject_holds_more', detail);
}

/**
 * Reads the actor under the lock of their row.
 * @throws AppError UNAUTHENTICATED if their session has ended; FORBIDDEN
 */
async function readActing(
  tx: Tx,
  { tenantId, staffId, sessionId, sessionVersion }: Principal,
  now: Date,
): Promise<Person & { sessionId: string }> {
  if (sessionId === null) throw new AppError('SCHEMA_UNAVAILABLE');
  const actor = await readPerson(tx, tenantId, staffId);
  const session = { sessionId, staffId, sessionVersion, now };
  const isLive = actor?.sessionVersion === sessionVersion && actor.active;
  if (!isLive || !(await isSessionLive(tx, tenantId, session))) throw invalidToken();
  if (!actor.permissions.includes('IMPERSONATE')) {
    throw new AppError('FORBIDDEN', { detail: 'This needs the permission IMPERSONATE.' });
  }
  return { ...actor, sessionId };
}

/**
 * Refuses a second impersonation of one actor.
 * @returns one that is over, but not ended yet, with the reason
 */
async function assertNoneRuns(
  tx: Tx,
  { tenantId, staffId }: Principal,
  now: Date,
): Promise<{ row: Impersonated; end: EndReason } | undefined> {
  const row = await findRunningOf(tx, tenantId, staffId);
  if (!row) return undefined;
  const end = await findOver(tx, tenantId, { id: row.id, now });
  if (end === null || !isEndReason(end)) throw refused('running');
  return { row, end };
}

async function findNeededConsent(
  tx: Tx,
  tenantId: string,
  policy: ImpersonationPolicy,
  query: { staffId: string; now: Date },
): Promise<GivenConsent | undefined> {
  if (policy.consent !== 'required') return undefined;
  const consent = await findConsent(tx, tenantId, query);
  if (!consent) throw refused('consent_missing');
  return consent;
}

async function start(
  deps: ImpersonationDeps,
  tx: Tx,
  ctx: RequestContext,
  principal: Principal,
  asked: AskedImpersonation,
): Promise<StartedImpersonation> {
  const { tenantId, sessionVersion: actorSessionVersion } = principal;
  const now = deps.clock.now();
  const actor = await readActing(tx, principal, now);
  const { subject, policy, minutes } = await assertTerms(tx, ctx, principal, asked);
  const over = await assertNoneRuns(tx, principal, now);
  if (over) await endImpersonation(deps, tx, ctx, over.row, { end: over.end });
  assertMayActAs(actor, subject);
  const { staffId, userId, sessionVersion } = subject;
  const consent = await findNeededConsent(tx, tenantId, policy, { staffId, now });
  const until = now.getTime() + minutes * MINUTE_MS;
  const row = await insertImpersonation(tx, {
    ...{ id: deps.random.id(), tenantId, staffId, userId, sessionVersion },
    ...{ actorStaffId: actor.staffId, actorUserId: actor.userId },
    ...{ actorSessionId: actor.sessionId, actorSessionVersion },
    ...{ scope: asked.scope, reason: asked.reason, ticket: ctx.ticket ?? null },
    ...{ consent: policy.consent, consentGivenAt: consent?.givenAt ?? null },
    startedAt: now,
    expiresAt: new Date(Math.min(until, consent?.expiresAt.getTime() ?? until)),
  });
  await recordAudit(tx, contextOfBoth(ctx, row), {
    action: 'IMPERSONATION_STARTED',
    outcome: 'success',
    subject: `impersonation:${row.id}`,
    details: { ...termsOf(row), minutes, expiresAt: row.expiresAt.toISOString() },
  });
  if (policy.consent !== 'none') await queueImpersonationMail(deps, tx, row, row);
  return { row, subject };
}

/** Runs a start, and records if it was refused: after the rollback, because nothing else happened. */
async function recordingRefusals<T>(
  deps: Pick<ImpersonationDeps, 'denials'>,
  ctx: RequestContext,
  { tenantId, staffId }: Principal,
  asked: AskedImpersonation,
  run: () => Promise<T>,
): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof AppError && error.code === 'IMPERSONATION_REFUSED')) throw error;
    await deps.denials.recordImpersonation(ctx, {
      ...{ tenantId, actor: staffId, onBehalfOf: asked.staffId },
      subject: `staff:${asked.staffId}`,
      refusal: error.extra['refusal'] as ImpersonationRefusal,
    });
    throw error;
  }
}

/**
 * Refuses a start that no proof could open, before one is asked for: what the actor may know without
 * it. {@link startImpersonation} checks it again, and what the subject holds and allows only there.
 * @throws AppError NOT_FOUND if the tenant has no such member; IMPERSONATION_REFUSED with the reason
 */
export async function assertMayAsk(
  deps: Pick<ImpersonationDeps, 'db' | 'clock' | 'denials'>,
  ctx: RequestContext,
  principal: Principal,
  asked: AskedImpersonation,
): Promise<void> {
  assertRowId(asked.staffId);
  await recordingRefusals(deps, ctx, principal, asked, () =>
    inTenant(deps.db, principal.tenantId, async (tx) => {
      await assertTerms(tx, ctx, principal, asked);
      await assertNoneRuns(tx, principal, deps.clock.now());
    }),
  );
}

/**
 * Begins to act as another member. Everything is read under the locks of the tenant and of both
 * people's rows, and the actor's proof is consumed with it.
 * @throws AppError NOT_FOUND if the tenant has no such member; IMPERSONATION_REFUSED with the reason;
 * UNAUTHENTICATED, FORBIDDEN, STEP_UP_REQUIRED
 */
export async function startImpersonation(
  deps: ImpersonationDeps,
  ctx: RequestContext,
  { principal, passage }: { principal: Principal; passage: Passage },
  asked: AskedImpersonation,
): Promise<StartedImpersonation> {
  assertRowId(asked.staffId);
  const { tenantId } = principal;
  const both = [principal.staffId, asked.staffId];
  const started = await recordingRefusals(deps, ctx, principal, asked, () =>
    withProof(
      deps,
      ctx,
      principal,
      passage,
      (tx) => start(deps, tx, ctx, principal, asked),
      async (tx) => {
        await lockTenant(tx, tenantId);
        await lockMembers(tx, tenantId, both);
      },
    ),
  );
  deps.mail.wake();
  return started;
}
