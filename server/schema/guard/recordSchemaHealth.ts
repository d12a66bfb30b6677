import { recordAudit } from '../../audit';
import { systemContext } from '../../context';
import type { Db } from '../../db';
import { databaseFault } from '../../db/pgErrors';
import type { Logger } from '../../logger';
import { replaceSchemaHealth } from './schemaHealthStore';
import { isSound } from './schemaView';
import type { SchemaView } from './schemaView';

const CONTEXT = systemContext('schema-guard');

/** The most differences that an event names. It counts all of them. */
const NAMED_AT_MOST = 50;

function toEvent(before: SchemaView, now: SchemaView) {
  const sound = isSound(now);
  const { missing, findings } = sound ? before : now;
  return {
    action: sound ? ('SCHEMA_HEALTH_RESTORED' as const) : ('SCHEMA_HEALTH_FAILED' as const),
    outcome: sound ? ('success' as const) : ('failure' as const),
    details: {
      missing: [...missing],
      findings: findings.slice(0, NAMED_AT_MOST),
      differences: findings.length,
    },
  };
}

/**
 * Several nodes see the same change. The first one that locks the row of the last record writes the
 * event.
 */
const recordOnce = (db: Db, now: SchemaView) =>
  db.transaction(async (tx) => {
    const before = await replaceSchemaHealth(tx, now);
    if (before) await recordAudit(tx, CONTEXT, toEvent(before, now));
  });

const recordAlone = (db: Db, before: SchemaView, now: SchemaView) =>
  db.transaction((tx) => recordAudit(tx, CONTEXT, toEvent(before, now)));

/**
 * Audits that the schema failed or was restored. All nodes together write one event, and none if
 * the last event says the same, also across restarts. It never throws, so that a failure to report
 * never stops the caller.
 */
export async function recordSchemaHealth(
  deps: { db: Db; logger: Logger },
  before: SchemaView,
  now: SchemaView,
): Promise<void> {
  // If the table of the log itself is missing, only the log line is possible.
  if (now.missing.includes('audit_logs')) return;
  try {
    try {
      await recordOnce(deps.db, now);
    } catch (error) {
      if (databaseFault(error) !== 'missing_table') throw error;
      // Without the table that nodes share, one event too many is better than none.
      if (!isSound(before) || !isSound(now)) await recordAlone(deps.db, before, now);
    }
  } catch (error) {
    deps.logger.error({ err: error }, 'schema health could not be audited');
  }
}
