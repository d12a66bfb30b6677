import { recordAudit } from '../audit';
import type { AuditEvent } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import type { AuthDeps } from './deps';
import { SPRAYED_ACCOUNTS, isFirstInWindow } from '../security';
import type { CountedFailure } from '../security';

interface Spray {
  /** The key that marks this spray as recorded for the window. */
  key: string;
  subject: string | null;
  details: Extract<AuditEvent, { action: 'LOGIN_SPRAY_DETECTED' }>['details'];
}

/** @param most from this number of failed logins on, the whole installation counts as sprayed */
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
 * Records that logins fail on many accounts, either from one address or across the whole
 * installation. Each is recorded once per window of 15 minutes, so that an attack does not flood
 * the audit log.
 */
export async function recordSpray(
  deps: Pick<AuthDeps, 'clock' | 'config'>,
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
