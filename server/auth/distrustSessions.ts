import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import { databaseFault } from '../db/pgErrors';
import type { Deps } from '../deps';
import { forgetTaught, listSuspectSessions } from '../security';
import type { Forgotten, Taught } from '../security';
import { expirePassword, listMemberships, requireProofAtLogin } from './accountStore';
import { invalidateSessions } from './invalidateSessions';
import { lockStaff } from './rotationStore';
import type { SessionMode } from './withSessionTable';

type DistrustDeps = Pick<Deps, 'clock' | 'logger' | 'metrics'>;

const NOTHING: Forgotten = { devices: 0, networks: 0, countries: 0, addresses: 0 };

/**
 * Forgets what sessions taught; see {@link forgetTaught}. Ending a thief's sessions must not wait for the scorer's
 * tables: while they are missing, nothing is forgotten, loudly.
 */
export async function forgetOrWarn(
  deps: Pick<Deps, 'logger' | 'metrics'>,
  tx: Tx,
  tenantId: string,
  what: Taught,
): Promise<Forgotten> {
  try {
    return await tx.transaction((inner) => forgetTaught(inner, tenantId, what));
  } catch (err) {
    if (databaseFault(err) !== 'missing_table') throw err;
    deps.metrics.backgroundFailures.inc({ task: 'forget_taught' });
    deps.logger.error({ err }, 'what ended sessions taught could not be forgotten');
    return NOTHING;
  }
}

/** What one session taught, if there is one: a copy of it was in somebody else's hands. */
export const taughtBy = (sessionId: string | null): Pick<Taught, 'sessionIds' | 'since'> => ({
  sessionIds: sessionId === null ? [] : [sessionId],
  since: null,
});

/** Whose sessions were in somebody else's hands, since when, and who says so. */
export interface Compromise {
  staffId: string;
  /** What was opened or learnt since then is not trusted either. Null: only what is live is not. */
  since: Date | null;
  /** The person, by the button of a notice, or an operator. */
  via: 'notice' | 'operator';
  reason: 'security_event' | 'force_logout';
}

/**
 * Ends every session of a staff member of whom somebody else had one: what those sessions taught is forgotten, and the
 * next login takes a proof, whatever its score.
 * @throws AppError NOT_FOUND if the tenant has no such staff member
 */
async function distrustStaff(
  deps: DistrustDeps,
  tx: Tx,
  ctx: RequestContext,
  mode: SessionMode,
  tenantId: string,
  what: Compromise,
): Promise<void> {
  const { staffId, since, via, reason } = what;
  await lockStaff(tx, tenantId, staffId);
  const sessionIds = mode === 'normal' ? await listSuspectSessions(tx, tenantId, what) : [];
  const ended = { staffId, reason, now: deps.clock.now() };
  await invalidateSessions(tx, ctx, mode, tenantId, ended);
  const forgotten = await forgetOrWarn(deps, tx, tenantId, { staffId, sessionIds, since });
  await requireProofAtLogin(tx, tenantId, staffId);
  await recordAudit(tx, ctx, {
    action: 'STAFF_COMPROMISED',
    outcome: 'success',
    tenantId,
    subject: `staff:${staffId}`,
    details: { via, ...forgotten },
  });
}

/** The membership that was spoken of. */
export interface CompromisedStaff extends Compromise {
  tenantId: string;
  /**
   * Given if the password of its person was used. A password that was set after the moment is another one, and stays:
   * an old link must not expire it. Null: whenever it was set.
   */
  passwordUsed?: { setBefore: Date | null };
}

/** What was done about it. */
export interface Distrusted {
  passwordExpired: boolean;
  /** Whose histories the nodes must not keep. */
  staff: readonly { tenantId: string; staffId: string }[];
}

/**
 * Puts a thief out. If the password was used it expires, and since it opens sessions in every tenant of its person, the
 * sessions of all of them end; else those of one tenant do.
 * @throws AppError NOT_FOUND if the tenant has no such staff member
 */
export async function distrustSessions(
  deps: DistrustDeps,
  tx: Tx,
  ctx: RequestContext,
  mode: SessionMode,
  { passwordUsed, ...what }: CompromisedStaff,
): Promise<Distrusted> {
  const { tenantId, staffId, via } = what;
  const own = { tenantId, staffId };
  const all = passwordUsed ? await listMemberships(tx, own, passwordUsed.setBefore) : [];
  const staff = all.length > 0 ? all : [own];
  for (const one of staff) {
    await distrustStaff(deps, tx, ctx, mode, one.tenantId, { ...what, staffId: one.staffId });
  }
  const passwordExpired =
    passwordUsed !== undefined && (await expirePassword(tx, own, passwordUsed.setBefore));
  for (const one of passwordExpired ? staff : []) {
    await recordAudit(tx, ctx, {
      action: 'PASSWORD_EXPIRED',
      outcome: 'success',
      tenantId: one.tenantId,
      subject: `staff:${one.staffId}`,
      details: { via },
    });
  }
  return { passwordExpired, staff };
}
