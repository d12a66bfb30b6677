import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import { databaseFault } from '../db/pgErrors';
import type { AuthDeps } from './deps';
import { forgetTaught, listSuspectSessions } from '../security';
import type { Forgotten, Taught } from '../security';
import { expirePassword, listMemberships, requireProofAtLogin } from './accountStore';
import { invalidateSessions } from './invalidateSessions';
import { lockStaff } from './refreshTokenStore';
import type { SessionMode } from './withSessionTable';

type DistrustDeps = Pick<AuthDeps, 'clock' | 'logger' | 'metrics'>;

const NOTHING: Forgotten = { devices: 0, networks: 0, countries: 0, addresses: 0 };

/**
 * Forgets what sessions taught the scorer; see {@link forgetTaught}. If the scorer's tables are
 * missing it logs an error, counts a metric and forgets nothing: ending an attacker's sessions must
 * not wait for those tables.
 */
export async function forgetOrWarn(
  deps: Pick<AuthDeps, 'logger' | 'metrics'>,
  tx: Tx,
  tenantId: string,
  what: Taught,
): Promise<Forgotten> {
  try {
    return await tx.transaction((inner) => forgetTaught(inner, tenantId, what));
  } catch (err) {
    if (databaseFault(err) !== 'missing_table') throw err;
    deps.metrics.backgroundFailures.inc({ task: 'forget_taught' });
    deps.logger.error(
      { err },
      'what the risk scorer learned from ended sessions could not be removed',
    );
    return NOTHING;
  }
}

/** Selects what one session taught, if there is one, because someone else held a copy of it. */
export const taughtBy = (sessionId: string | null): Pick<Taught, 'sessionIds' | 'since'> => ({
  sessionIds: sessionId === null ? [] : [sessionId],
  since: null,
});

/** A staff member whose sessions someone else had, with the time and the source of the report. */
export interface Compromise {
  staffId: string;
  /** Anything opened or learnt since then is distrusted too. Null distrusts only live sessions. */
  since: Date | null;
  /** The person, by the button in a notice, or an operator. */
  via: 'notice' | 'operator';
  reason: 'security_event' | 'force_logout';
}

/**
 * Ends every session of a staff member after someone else had one of them, forgets what those
 * sessions taught the scorer, and makes the next login need a step-up proof.
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
  const ended = { staffId, reason, now: deps.clock.now(), since };
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

/** The membership that was reported. */
export interface CompromisedStaff extends Compromise {
  tenantId: string;
  /**
   * Present if the person's password was used. A password set after `setBefore` is a different one
   * and stays valid, so that an old link cannot expire it. Null expires the password whenever it
   * was set.
   */
  passwordUsed?: { setBefore: Date | null };
}

/** The outcome of {@link distrustSessions}. */
export interface Distrusted {
  passwordExpired: boolean;
  /** Staff members whose cached risk history every node must drop. */
  staff: readonly { tenantId: string; staffId: string }[];
}

/**
 * Ends an attacker's access. If the password was used, it expires, and the sessions in every tenant
 * of the person end, because the password opens them all. Otherwise only the sessions in one tenant
 * end.
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
