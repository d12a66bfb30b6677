import { END, LEAF_OF_EVENT, START, TENANT, setting } from './copyStore';
import { firstOf, instantIn, previous, stackedRow, staffIdIn } from './staffRowStore';

/** A row of joiners-leavers, before its e-mail address and the end of its access are added. */
export const staffChange = stackedRow({
  change: 'text',
  occurred_at: 'timestamptz',
  leaf_index: 'bigint',
  staff_id: 'uuid',
  actor: 'text',
  permissions: 'jsonb',
  details: 'jsonb',
  not_before: 'timestamptz',
  not_after: 'timestamptz',
});

/**
 * The history of a person's status as steps: they begin active, each event has a status before and after it, and the
 * status at the end of the range is the last step.
 */
const step = stackedRow({
  subject: 'text',
  place: 'int',
  occurred_at: 'timestamptz',
  event_id: 'uuid',
  before: 'text',
  after: 'text',
  left_at: 'timestamptz',
});

const BEGINNINGS = `SELECT ${step({
  subject: "'staff:' || s.id",
  place: '0',
  occurred_at: 's.created_at',
  after: "'active'",
})} FROM tenant_staff s WHERE s.tenant_id = ${TENANT} AND s.created_at < ${END}`;

const DISABLED_BEFORE = instantIn("e.details->>'disabledAt'");

const EVENTS = `SELECT ${step({
  subject: 'e.subject',
  place: '1',
  occurred_at: 'e.occurred_at',
  event_id: 'e.id',
  before:
    "CASE e.action WHEN 'STAFF_DISABLED' THEN 'active' WHEN 'STAFF_ENABLED' THEN 'disabled' END",
  after: "CASE e.action WHEN 'STAFF_DISABLED' THEN 'disabled' ELSE 'active' END",
  left_at: `CASE e.action WHEN 'STAFF_ENABLED' THEN ${DISABLED_BEFORE} END`,
})} FROM audit_logs e WHERE e.tenant_id = ${TENANT} AND e.outcome = 'success'
    AND e.action IN ('STAFF_CREATED', 'STAFF_DISABLED', 'STAFF_ENABLED') AND e.occurred_at < ${END}`;

const nextSwitch = (what: string) => firstOf(what, 'e.occurred_at, e.id');
const NEXT_SWITCHES = `SELECT e.subject, ${nextSwitch('e.action')} AS action, ${nextSwitch(DISABLED_BEFORE)} AS left_at
  FROM audit_logs e WHERE e.tenant_id = ${TENANT} AND e.outcome = 'success'
    AND e.action IN ('STAFF_DISABLED', 'STAFF_ENABLED') AND e.occurred_at >= ${END} GROUP BY e.subject`;

/**
 * The status at the end of the range, as in access-review: the status before the first event after the range, or else
 * the present one. If a row's time puts the disabling after the range and no event does, the status at the end is
 * unknown, because that time and the time of the event of the same act differ.
 */
const ENDINGS = `SELECT ${step({
  subject: "'staff:' || s.id",
  place: '2',
  before: `CASE WHEN n.action = 'STAFF_DISABLED' THEN 'active'
      WHEN n.action = 'STAFF_ENABLED' THEN CASE WHEN n.left_at >= ${END} THEN NULL ELSE 'disabled' END
      WHEN s.status = 'active' THEN 'active'
      WHEN s.disabled_at >= ${END} THEN NULL ELSE 'disabled' END`,
  left_at: `CASE WHEN n.subject IS NULL THEN CASE WHEN s.disabled_at < ${END} THEN s.disabled_at END ELSE n.left_at END`,
})} FROM tenant_staff s LEFT JOIN (${NEXT_SWITCHES}) n ON n.subject = 'staff:' || s.id
  WHERE s.tenant_id = ${TENANT} AND s.created_at < ${END}`;

/**
 * An active row that still has the time at which it was disabled: somebody gave the access back by SQL and left the
 * time.
 */
const LEFT_BEHIND = `(g.place = 2 AND g.before = 'active' AND g.left_at IS NOT NULL)`;

/**
 * Finds changes without an event: a status differs from the one that the step before ended with. A leaving whose time
 * is known has its own row with that time.
 */
const SWITCHES = `SELECT ${staffChange({
  change: "CASE g.before WHEN 'active' THEN 'returned' ELSE 'left' END",
  staff_id: staffIdIn('g.subject'),
  not_before: `greatest(g.since, CASE WHEN ${LEFT_BEHIND} THEN g.left_at END)`,
  not_after: 'g.occurred_at',
})} FROM (
    SELECT k.*, ${previous('after')} AS known, ${previous('occurred_at')} AS since
    FROM (${[BEGINNINGS, EVENTS, ENDINGS].join('\n  UNION ALL ')}) k
  ) g
  WHERE ((g.known <> g.before AND NOT (g.before = 'disabled' AND g.left_at IS NOT NULL)) OR ${LEFT_BEHIND})
    AND (g.place = 2 OR g.occurred_at >= ${START})`;

/**
 * Finds people who have events but no row: the product itself never deletes one. If there are events after the range,
 * the row existed at its end. Events after the bundle's head are ignored, as everywhere in the bundle.
 */
const DELETED = `SELECT ${staffChange({
  change: "'deleted'",
  staff_id: 'd.staff_id',
  not_before: 'd.since',
})} FROM (
    SELECT ${staffIdIn('e.subject')} AS staff_id, max(e.occurred_at) AS since
    FROM audit_logs e ${LEAF_OF_EVENT}
    WHERE l.log_id = ${TENANT} AND e.tenant_id = ${TENANT} AND e.outcome = 'success'
      AND e.action IN ('STAFF_CREATED', 'STAFF_DISABLED', 'STAFF_ENABLED', 'STAFF_REMOVED', 'STAFF_PERMISSIONS_CHANGED')
      AND l.leaf_index < ${setting('tree_size', 'bigint')}
    GROUP BY e.subject
  ) d
  WHERE d.staff_id IS NOT NULL AND d.since < ${END}
    AND NOT EXISTS (SELECT FROM tenant_staff s WHERE s.tenant_id = ${TENANT} AND s.id = d.staff_id)`;

/**
 * Changes of memberships that were made in the database itself and have no recorded time. They happened between
 * `not_before` and `not_after`.
 */
export const UNRECORDED_SWITCHES = `${SWITCHES}\n  UNION ALL ${DELETED}`;
