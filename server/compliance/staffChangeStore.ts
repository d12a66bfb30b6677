import { END, LEAF_OF_EVENT, START, TENANT, setting } from './copyStore';
import type { ExportFile } from './copyStore';
import { ALL_SESSIONS, ALL_TOKENS } from './historyRowStore';
import {
  EVENT,
  firstOf,
  instantIn,
  permissionsIn,
  provenanceColumns,
  stackedRow,
  staffIdIn,
} from './staffRowStore';
import { UNRECORDED_SWITCHES, staffChange } from './staffSwitchStore';

const inRange = (moment: string) => `${moment} >= ${START} AND ${moment} < ${END}`;

/** Returns SQL for events of the stretch only, as in audit-log, which idx_audit_logs_kind finds. */
export const eventsOfRange = (actions: string) => `FROM audit_logs e ${LEAF_OF_EVENT}
  WHERE l.log_id = ${TENANT} AND l.leaf_index BETWEEN ${setting('first_leaf', 'bigint')} AND ${setting('last_leaf', 'bigint')}
    AND e.tenant_id = ${TENANT} AND e.outcome = 'success' AND e.action IN (${actions}) AND ${inRange('e.occurred_at')}`;

/**
 * Returns SQL for a person's e-mail address. A scalar subquery looks each one up by key, however many the planner
 * expects.
 */
export const emailOf = (
  staffId: string,
) => `(SELECT u.email FROM tenant_staff s JOIN users u ON u.id = s.user_id
    WHERE s.tenant_id = ${TENANT} AND s.id = ${staffId})`;

/** Returns SQL for the e-mail address of an actor; null if the text is not the id of a member. */
export const addressOf = (actor: string) => emailOf(staffIdIn(`'staff:' || ${actor}`));

const RECORDED = `SELECT ${staffChange({
  change:
    "CASE e.action WHEN 'STAFF_CREATED' THEN 'joined' WHEN 'STAFF_DISABLED' THEN 'left' WHEN 'STAFF_REMOVED' THEN 'removed' ELSE 'returned' END",
  occurred_at: 'e.occurred_at',
  leaf_index: 'l.leaf_index',
  staff_id: staffIdIn('e.subject'),
  actor: 'e.actor',
  permissions: "e.details->'permissions'",
  details: 'e.details',
})} ${eventsOfRange("'STAFF_CREATED', 'STAFF_DISABLED', 'STAFF_ENABLED', 'STAFF_REMOVED'")}`;

const row = stackedRow({
  subject: 'text',
  created_at: 'timestamptz',
  disabled_at: 'timestamptz',
  permissions: 'text[]',
  ...EVENT,
});
const SWITCHES = "('STAFF_DISABLED', 'STAFF_ENABLED')";

/**
 * Everyone who may have joined or left in the range, with everything that was ever recorded of them. A change without
 * a record was made by SQL.
 */
const KNOWN = `SELECT r.subject, min(r.created_at) AS created_at, min(r.disabled_at) AS disabled_at,
    bool_or(r.action = 'STAFF_CREATED') AS join_recorded,
    ${firstOf('r.action', 'r.occurred_at DESC, r.event_id DESC', `r.action IN ${SWITCHES}`)} AS last_switch,
    coalesce(${firstOf("r.details->'before'", 'r.occurred_at, r.event_id', "r.action = 'STAFF_PERMISSIONS_CHANGED'")},
      to_jsonb(min(r.permissions))) AS permissions
  FROM (
    SELECT ${row({
      subject: "'staff:' || s.id",
      created_at: 's.created_at',
      disabled_at: 's.disabled_at',
      permissions: 's.permissions',
    })} FROM tenant_staff s
    WHERE s.tenant_id = ${TENANT} AND ((${inRange('s.created_at')}) OR (${inRange('s.disabled_at')}))
    UNION ALL SELECT ${row({
      subject: 'e.subject',
      action: 'e.action',
      occurred_at: 'e.occurred_at',
      event_id: 'e.id',
      details: 'e.details',
    })} FROM audit_logs e WHERE e.tenant_id = ${TENANT} AND e.outcome = 'success'
      AND e.action IN ('STAFF_CREATED', 'STAFF_DISABLED', 'STAFF_ENABLED', 'STAFF_PERMISSIONS_CHANGED')
  ) r GROUP BY r.subject HAVING min(r.created_at) IS NOT NULL`;

const UNRECORDED = `SELECT ${staffChange({
  change: 'v.change',
  occurred_at: 'v.occurred_at',
  staff_id: staffIdIn('k.subject'),
  permissions: 'k.permissions',
})} FROM (${KNOWN}) k CROSS JOIN LATERAL (VALUES
    ('joined', k.created_at, k.join_recorded IS NOT TRUE),
    ('left', k.disabled_at, k.last_switch IS DISTINCT FROM 'STAFF_DISABLED')
  ) AS v(change, occurred_at, is_unrecorded) WHERE v.is_unrecorded AND ${inRange('v.occurred_at')}`;

/** For people who have returned since, the event of their return states when they had left. */
const UNRECORDED_BEFORE_RETURN = `SELECT ${staffChange({
  change: "'left'",
  occurred_at: 'k.disabled_at',
  staff_id: staffIdIn('k.subject'),
})} FROM (
    SELECT e.subject, e.action, ${instantIn("e.details->>'disabledAt'")} AS disabled_at, lag(e.action) OVER (PARTITION BY e.subject ORDER BY e.occurred_at, e.id) AS previous
    FROM audit_logs e WHERE e.tenant_id = ${TENANT} AND e.outcome = 'success' AND e.action IN ${SWITCHES}
  ) k WHERE k.action = 'STAFF_ENABLED' AND k.previous IS DISTINCT FROM 'STAFF_DISABLED'
    AND ${inRange('k.disabled_at')}`;

/**
 * Access that was alive at leaving: it had begun, and was neither revoked nor expired. Unrevoked access with an older
 * session version does not count, because it has been refused since.
 */
const alive = (row: string, isSession: boolean) => `SELECT ${isSession} AS is_session,
    least(${row}.revoked_at, ${row}.expires_at) AS ended_at, ${row}.revoked_at IS NULL AND ${row}.expires_at > least(now(), ${END}) AS is_alive`;
const wasAlive = (row: string) => `${row}.created_at <= l.occurred_at
      AND least(${row}.revoked_at, ${row}.expires_at) >= l.occurred_at
      AND (${row}.revoked_at IS NOT NULL OR ${row}.session_version = m.session_version)`;

/**
 * Looks each row up by its own key; OFFSET 0 keeps the planner to that. The tenant is not part of the conditions,
 * because its index could lead to all of its rows, and the staff id is known to belong to it. Only an outage leaves
 * tokens without a session, so those are read only for people who have some.
 */
const ACCESS_AT_LEAVING = `${alive('s', true)} FROM ${ALL_SESSIONS} s WHERE s.staff_id = m.id AND ${wasAlive('s')}
    UNION ALL SELECT t.* FROM (
        SELECT s.id FROM ${ALL_SESSIONS} s WHERE s.staff_id = m.id AND s.expires_at >= l.occurred_at OFFSET 0
      ) s, LATERAL (${alive('t', false)} FROM ${ALL_TOKENS} t WHERE t.session_id = s.id AND ${wasAlive('t')} OFFSET 0) t
    UNION ALL ${alive('t', false)} FROM ${ALL_TOKENS} t
      WHERE m.id = ANY ((SELECT array_agg(DISTINCT o.staff_id) FROM ${ALL_TOKENS} o WHERE o.session_id IS NULL AND o.tenant_id = ${TENANT})::uuid[])
        AND t.session_id IS NULL AND t.staff_id = m.id AND ${wasAlive('t')}`;

/** If the time of leaving is not known, it is unknown which access had ended by then. */
const LEFT = "l.change = 'left' AND l.occurred_at IS NOT NULL";

export const JOINERS_LEAVERS: ExportFile = {
  name: 'joiners-leavers',
  description:
    'Every time that a person got, lost or got back access in the range, or was removed, and who asked for the change, approved it and made it. For each person who left: how many minutes later the last session or refresh token ended. A change without an event is shown as unrecorded.',
  controls: [
    {
      criterion: 'CC6.2',
      place: 'first',
      lookFor:
        "Begin with the rows with record 'unrecorded': somebody changed a membership directly in the database. Then look at the joiners: is there an approval for each (requested_by, approved_by, ticket)? Look at the leavers: compare them with the list of people who left, and look at minutes_to_revocation.",
      limits:
        'The end of employment: it is in the personnel records. A person leaves here when the account is disabled in Gatehouse. seconds_to_effect is the time from the request in Gatehouse to its effect, and not from the end of the employment.',
    },
  ],
  population: {
    of: "every beginning, end and return of a membership of this organisation. A person leaves when the account is disabled in Gatehouse. A row with change 'removed' ends the membership for good; an active member also has a row 'left' at that moment. Gatehouse does not know when the employment ended. A row with record 'unrecorded' has no leaf_index and no actor: somebody changed the membership directly in the database. If the database or a later event still has the time of the change, it is in occurred_at. If not, the change was made after not_before and, if not_after is not empty, before not_after. A row with change 'deleted' is a membership that has events but no longer exists",
    filter:
      'occurred_at is in the range; or occurred_at is empty, and not_after is in the range or empty. An empty not_after means that the memberships at the end of the range differ from those that the last events before it left',
  },
  columns: [
    ['change', 'token', 'l.change'],
    ['occurred_at', 'instant', 'l.occurred_at'],
    ['leaf_index', 'literal', 'l.leaf_index'],
    ['staff_id', 'token', 'l.staff_id'],
    ['email', 'text', emailOf('l.staff_id')],
    ['actor', 'text', 'l.actor'],
    [
      'permissions',
      'literal',
      `CASE l.change WHEN 'joined' THEN ${permissionsIn('l.permissions')} END`,
    ],
    ['last_access_revoked_at', 'instant', 'CASE WHEN a.is_alive IS NOT TRUE THEN a.ended_at END'],
    ['sessions_ended', 'literal', `CASE WHEN ${LEFT} THEN a.sessions_ended END`],
    [
      'minutes_to_revocation',
      'literal',
      `CASE WHEN ${LEFT} AND a.is_alive IS NOT TRUE
      THEN round(extract(epoch FROM coalesce(a.ended_at - l.occurred_at, '0'))::numeric / 60, 2) END`,
    ],
    ...provenanceColumns('l.details'),
    ['seconds_to_effect', 'jsonb', "(l.details->'secondsToEffect')"],
    ['record', 'token', "CASE WHEN l.leaf_index IS NULL THEN 'unrecorded' ELSE 'recorded' END"],
    ['not_before', 'instant', 'l.not_before'],
    ['not_after', 'instant', 'l.not_after'],
  ],
  from: `FROM (${[RECORDED, UNRECORDED, UNRECORDED_BEFORE_RETURN, UNRECORDED_SWITCHES].join('\n  UNION ALL ')}) l
  LEFT JOIN LATERAL (
    SELECT max(x.ended_at) AS ended_at, bool_or(x.is_alive) AS is_alive,
      count(*) FILTER (WHERE x.is_session AND NOT x.is_alive) AS sessions_ended
    FROM (
      SELECT s.id, s.session_version FROM tenant_staff s
      WHERE ${LEFT} AND s.tenant_id = ${TENANT} AND s.id = l.staff_id OFFSET 0
    ) m, LATERAL (${ACCESS_AT_LEAVING}) x
  ) a ON true`,
  order:
    "coalesce(l.occurred_at, l.not_after, 'infinity'), l.staff_id, l.change, l.leaf_index, l.not_before",
};
