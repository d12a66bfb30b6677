import { recordAudit } from '../audit';
import type { AuditEvent } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import type { Deps } from '../deps';
import { SPRAYED_ACCOUNTS, isFirstInWindow } from '../security';
import type { CountedFailure } from '../security';

interface Spray {
  /** Under which it is remembered that it was recorded. */
  key: string;
  subject: string | null;
  details: Extract<AuditEvent, { action: 'LOGIN_SPRAY_DETECTED' }>['details'];
}

/** @param most the failures of the whole installation from which on its logins count as a spray */
function findSpray(
  { scope, failures, accounts }: CountedFailure,
  address: string,
  most: number,
): Spray | undefined {
  if (scope === 'ip' && accounts >= SPRAYED_ACCOUNTS) {
    const details = { over: 'address' as const, failures, accounts };
    return { key: `spray:${address}`, subject: `address:${address}`, details };
  }
  if (scope === 'global' && failures >= most) {
    return { key: 'spray', subject: null, details: { over: 'installation', failures } };
  }
  return undefined;
}

/**
 * Records that logins fail on many accounts: from one address, or on the whole installation from however many. It is
 * recorded once in a window of 15 minutes each, because a flood must not become the log.
 */
export async function recordSpray(
  deps: Pick<Deps, 'clock' | 'config'>,
  tx: Tx,
  ctx: RequestContext,
  counted: readonly CountedFailure[],
  address: string,
): Promise<void> {
  const most = deps.config.loginFailures.global;
  for (const spray of counted.map((one) => findSpray(one, address, most))) {
    if (!spray) continue;
    const key = { scope: 'global' as const, subject: spray.key };
    if (!(await isFirstInWindow(tx, key, deps.clock.now()))) continue;
    await recordAudit(tx, ctx, {
      action: 'LOGIN_SPRAY_DETECTED',
      outcome: 'failure',
      tenantId: null,
      actor: 'system',
      subject: spray.subject,
      details: spray.details,
    });
  }
}
