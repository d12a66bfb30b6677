import { auditRowFromJson, toAuditRow } from '../../audit';
import { systemContext } from '../../context';
import type { Connection } from './clients';
import { SEARCH_PATH } from './clients';
import type { AppliedMigration, Run } from './migrationRun';

function toEvent({ correlationId, actor, ticket, provenance }: Run, migration: AppliedMigration) {
  const ctx = {
    ...systemContext(correlationId),
    actor,
    ...(ticket !== undefined && { ticket }),
  };
  return toAuditRow(ctx, {
    action: 'SCHEMA_MIGRATED',
    outcome: 'success',
    subject: `migration:${migration.tag}`,
    details: { ...migration, ...provenance },
  });
}

/**
 * Returns whether the audit log can hold the events. The first migrations create the log, and a
 * later one may change it. Until the log fits, the events wait.
 */
async function canAudit(client: Connection, columns: string[]): Promise<boolean> {
  const { rows } = await client.query<{ fits: boolean }>(
    `SELECT to_regprocedure('public.gatehouse_uuid_v7()') IS NOT NULL
       AND (SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass('public.audit_logs')
          AND attname = ANY ($1) AND NOT attisdropped) = cardinality($1) AS fits`,
    [['id', 'occurred_at', ...columns]],
  );
  return rows[0]?.fits === true;
}

/**
 * Appends one event for each migration, in the caller's transaction.
 * @returns false if there is no audit log that can hold them
 */
export async function auditMigrations(
  run: Run,
  migrations: readonly AppliedMigration[],
): Promise<boolean> {
  const events = migrations.map((migration) => toEvent(run, migration));
  const [first] = events;
  if (!first) return true;
  if (!(await canAudit(run.worker, Object.keys(first)))) return false;
  // A migration may have changed the search path.
  await run.worker.query(`SET LOCAL search_path = ${SEARCH_PATH}`);
  await run.worker.query(
    `INSERT INTO audit_logs SELECT event.* FROM jsonb_array_elements($1::jsonb) AS given (fields),
       LATERAL ${auditRowFromJson('given.fields')} AS event`,
    [JSON.stringify(events)],
  );
  return true;
}
