import type { PoolClient } from 'pg';
import { runLong } from '../db/runLong';
import { LEAF_OF_EVENT, TENANT, setting } from './copyStore';

/** The counts of the summary, each with the actions that it counts. */
const COUNTED = {
  signIns: ['AUTH_LOGIN_SUCCEEDED'],
  failedSignIns: ['AUTH_LOGIN_FAILED'],
  challenges: ['STEP_UP_REQUIRED'],
  blocks: ['LOGIN_BLOCKED'],
  exports: ['DATA_EXPORT_COMPLETED'],
} as const;

export type Counted = keyof typeof COUNTED;

export interface WeekCount {
  /** The Monday, YYYY-MM-DD, in UTC. */
  readonly week: string;
  readonly counted: Counted;
  readonly events: number;
}

const WHEN = Object.entries(COUNTED)
  .flatMap(([counted, actions]) => actions.map((action) => `WHEN '${action}' THEN '${counted}'`))
  .join(' ');
const ACTIONS = Object.values(COUNTED)
  .flat()
  .map((action) => `'${action}'`)
  .join(', ');

/**
 * Counts events of audit-log only: an event outside the stretch is not counted either.
 * @param client in the export's snapshot
 */
export async function countByWeek(client: PoolClient): Promise<WeekCount[]> {
  const rows = await runLong<{ week: string; counted: Counted; events: string }>(
    client,
    `SELECT to_char(date_trunc('week', e.occurred_at::timestamp), 'YYYY-MM-DD') AS week,
       CASE e.action ${WHEN} END AS counted, count(*) AS events
     FROM audit_logs e ${LEAF_OF_EVENT}
     WHERE e.tenant_id = ${TENANT} AND e.action IN (${ACTIONS})
       AND e.occurred_at >= ${setting('range_start', 'timestamptz')} AND e.occurred_at < ${setting('range_end', 'timestamptz')}
       AND l.log_id = ${TENANT} AND l.leaf_index BETWEEN ${setting('first_leaf', 'bigint')} AND ${setting('last_leaf', 'bigint')}
     GROUP BY 1, 2 ORDER BY 1, 2`,
  );
  return rows.map(({ week, counted, events }) => ({ week, counted, events: Number(events) }));
}
