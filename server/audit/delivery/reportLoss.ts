import { systemContext } from '../../context';
import type { Database, Tx } from '../../db';
import type { Logger } from '../../logger';
import type { Metrics } from '../../metrics';
import { recordAudit } from '../recordAudit';
import type { AuditEvent } from '../recordAudit';

type Loss = Extract<AuditEvent, { action: 'AUDIT_LOG_ROLLED_BACK' }>['details'];

/**
 * Reports that the audit log has lost what was delivered. It is reported once, by log, metric and
 * audit event. Delivery goes on: the receiver keeps what it was given.
 * @param markReported marks the loss as reported; returns false if any process has reported it before
 */
export async function reportLoss(
  deps: { database: Database; logger: Logger; metrics: Pick<Metrics, 'auditRolledBack'> },
  correlationId: string,
  details: Loss,
  markReported: (tx: Tx) => Promise<boolean>,
): Promise<void> {
  const reported = await deps.database.db.transaction(async (tx) => {
    if (!(await markReported(tx))) return false;
    const about = { outcome: 'failure', tenantId: null } as const;
    const event = { action: 'AUDIT_LOG_ROLLED_BACK', ...about, details } as const;
    await recordAudit(tx, systemContext(correlationId), event);
    return true;
  });
  if (!reported) return;
  deps.metrics.auditRolledBack.inc();
  const isEvent = 'leaf' in details;
  deps.logger.error(
    isEvent ? details.leaf : { sink: details.by, ...details.known },
    `the audit log lacks ${isEvent ? 'an event' : 'a checkpoint'} that was delivered: an older backup was restored, or a failover lost it`,
  );
}
