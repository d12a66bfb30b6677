import { END, TENANT } from './copyStore';
import type { ExportFile } from './copyStore';
import { ALL_SESSIONS } from './historyRowStore';
import { EVENT, firstOf, instantIn, isReturn, permissionsIn, stackedRow } from './staffRowStore';

/**
 * The columns of all rows about staff members, stacked in one set. Joins would depend on the planner's guesses, which
 * know nothing of a tenant's size.
 */
const ROW = {
  subject: 'text',
  email: 'text',
  account_status: 'account_status',
  status: 'account_status',
  permissions: 'text[]',
  roles: 'text[]',
  name: 'text',
  created_at: 'timestamptz',
  disabled_at: 'timestamptz',
  ends_at: 'timestamptz',
  signed_in_at: 'timestamptz',
  factor: 'text',
  ...EVENT,
} as const;
const row = stackedRow(ROW);

const MEMBERS = `SELECT ${row({
  subject: "'staff:' || s.id",
  email: 'u.email',
  account_status: 'u.status',
  status: 's.status',
  permissions: 's.permissions',
  roles: 's.roles',
  name: 'u.name',
  created_at: 's.created_at',
  disabled_at: 's.disabled_at',
  ends_at: 's.ends_at',
})}
  FROM tenant_staff s JOIN users u ON u.id = s.user_id
  WHERE s.tenant_id = ${TENANT} AND s.created_at < ${END}`;

const SIGN_INS = `SELECT ${row({ subject: "'staff:' || s.staff_id", signed_in_at: 'max(s.created_at)' })}
  FROM ${ALL_SESSIONS} s WHERE s.tenant_id = ${TENANT} AND s.created_at < ${END} GROUP BY s.staff_id`;

const kept = (factor: string, table: string, condition: string) =>
  `SELECT ${row({ subject: "'staff:' || f.staff_id", factor: `'${factor}'` })}
  FROM (SELECT staff_id FROM ${table} WHERE tenant_id = ${TENANT} AND ${condition}) f`;

/**
 * A removed factor leaves no row. It existed at the end of the range if the first event about it after the range is
 * its removal.
 */
const REMOVED_FACTORS = `SELECT ${row({ subject: 'f.owner', factor: 'f.factor' })}
  FROM (
    SELECT ${firstOf('e.owner', 'e.occurred_at, e.enrolled')} AS owner, ${firstOf('e.factor', 'e.occurred_at, e.enrolled')} AS factor,
      ${firstOf('e.enrolled', 'e.occurred_at, e.enrolled')} AS enrolled
    FROM (
      SELECT e.occurred_at, e.action = 'FACTOR_ENROLLED' AS enrolled, e.details->>'factor' AS factor,
        coalesce('factor:' || (i.id #>> '{}'), (e.details->>'factor') || ' of ' || e.subject) AS which,
        CASE WHEN e.subject LIKE 'staff:%' THEN e.subject ELSE 'staff:' || coalesce(e.on_behalf_of::text, e.actor) END AS owner
      FROM audit_logs e LEFT JOIN LATERAL (
        SELECT to_jsonb(substr(e.subject, 8)) WHERE e.subject LIKE 'factor:%'
        UNION ALL SELECT jsonb_path_query(e.details, '$.factorIds[*]')
      ) AS i(id) ON true
      WHERE e.tenant_id = ${TENANT} AND e.action IN ('FACTOR_ENROLLED', 'FACTOR_REMOVED')
        AND e.outcome = 'success' AND e.occurred_at >= ${END}
    ) e GROUP BY e.which
  ) f WHERE NOT f.enrolled`;

const CHANGES = `SELECT ${row({
  subject: 'e.subject',
  action: 'e.action',
  occurred_at: 'e.occurred_at',
  event_id: 'e.id',
  details: 'e.details',
})}
  FROM audit_logs e WHERE e.tenant_id = ${TENANT} AND e.outcome = 'success'
    AND (e.action IN ('STAFF_DISABLED', 'STAFF_ENABLED', 'STAFF_REMOVED', 'STAFF_PERMISSIONS_CHANGED', 'STAFF_END_CHANGED') OR ${isReturn('e')})`;

const TOGGLED = "r.action IN ('STAFF_DISABLED', 'STAFF_ENABLED')";
const SWITCHED = `r.action IN ('STAFF_DISABLED', 'STAFF_ENABLED', 'STAFF_REMOVED', 'STAFF_CREATED')`;
const SINCE = `r.occurred_at >= ${END}`;
const nextSwitch = (what: string) =>
  firstOf(what, 'r.occurred_at, r.event_id', `${SWITCHED} AND ${SINCE}`);

/** The value before the first change after the range. A former member who joined again had nothing. */
const before = (member: string) =>
  firstOf(
    `CASE r.action WHEN 'STAFF_CREATED' THEN '[]' ELSE r.details->'${member}' END`,
    'r.occurred_at, r.event_id',
    `(r.action = 'STAFF_CREATED' OR r.action = 'STAFF_PERMISSIONS_CHANGED' AND r.details ? '${member}') AND ${SINCE}`,
  );

/** The first event after the range that has changed the end of the membership, and the end before it. */
const nextEnd = (what: string) =>
  firstOf(
    what,
    'r.occurred_at, r.event_id',
    `r.action IN ('STAFF_CREATED', 'STAFF_REMOVED', 'STAFF_END_CHANGED') AND ${SINCE}`,
  );
const END_BEFORE = `CASE r.action WHEN 'STAFF_REMOVED' THEN r.details->>'endsAt'
      WHEN 'STAFF_END_CHANGED' THEN r.details->>'before' END`;

/** The present rows, with the values from events after the range that undo what has changed since. */
const AT_THE_END = `SELECT substr(r.subject, 7) AS staff_id, min(r.email) AS email, min(r.account_status) AS account_status,
    min(r.status) AS status_now, min(r.created_at) AS created_at, min(r.disabled_at) AS disabled_now, max(r.signed_in_at) AS signed_in_at,
    ${nextSwitch('r.action')} AS next_switch, ${nextSwitch("r.details->>'disabledAt'")} AS disabled_before,
    ${firstOf("CASE r.action WHEN 'STAFF_DISABLED' THEN r.occurred_at END", 'r.occurred_at DESC, r.event_id DESC', `${TOGGLED} AND NOT ${SINCE}`)} AS disabled_event,
    ${nextEnd('r.action')} AS next_end, ${nextEnd(END_BEFORE)} AS end_before, min(r.ends_at) AS ends_now,
    coalesce(${before('before')}, to_jsonb(min(r.permissions))) AS permissions,
    coalesce(${before('rolesBefore')}, to_jsonb(min(r.roles))) AS roles, min(r.name) AS name,
    coalesce(array_agg(r.factor ORDER BY array_position(ARRAY['passkey', 'totp', 'recovery_code'], r.factor), r.factor)
      FILTER (WHERE r.factor IS NOT NULL), '{}') AS factors
  FROM (${[
    MEMBERS,
    SIGN_INS,
    kept('passkey', 'passkeys', `created_at < ${END}`),
    kept('totp', 'user_totp', `confirmed_at < ${END}`),
    kept(
      'recovery_code',
      'recovery_codes',
      `created_at < ${END} AND (used_at IS NULL OR used_at >= ${END}) GROUP BY staff_id`,
    ),
    REMOVED_FACTORS,
    CHANGES,
  ].join('\n  UNION ALL ')}) r GROUP BY r.subject`;

/** A person who was disabled by SQL, without an event, has only `disabled_at`. */
const STATUS = `CASE s.next_switch WHEN 'STAFF_DISABLED' THEN 'active' WHEN 'STAFF_ENABLED' THEN 'disabled'
      WHEN 'STAFF_REMOVED' THEN 'disabled' WHEN 'STAFF_CREATED' THEN 'removed'
      ELSE CASE WHEN s.disabled_now >= ${END} THEN 'active' ELSE s.status_now::text END END`;
const DISABLED_AT = `CASE WHEN ${STATUS} IN ('disabled', 'removed')
      THEN coalesce(s.disabled_event, ${instantIn('s.disabled_before')}, s.disabled_now) END`;

const ENDS_AT = `CASE WHEN s.next_end IS NULL THEN s.ends_now ELSE ${instantIn('s.end_before')} END`;

export const ACCESS_REVIEW: ExportFile = {
  name: 'access-review',
  description:
    'Every staff member at the end of the range, or at the time of the export if that was earlier: whether they have access, until when, their roles, permissions and second factors, and when they last signed in.',
  controls: [
    {
      criterion: 'CC6.1',
      place: 'first',
      lookFor:
        'For every person with status active: is there a second factor in "factors"? Take a sample: does the organisation know these people? Accounts with an old or empty last_sign_in_at are candidates for removal.',
      limits: 'Whether a person should have access: only the organisation can say that.',
    },
    {
      criterion: 'CC6.2',
      lookFor:
        'Compare with the list of people who left: nobody who left the organisation before the end of the range may have status active.',
      limits:
        'Later changes. The file shows the state at the end of the range, or at the time of the export if that was earlier.',
    },
    {
      criterion: 'CC6.3',
      lookFor:
        'Compare the roles and permissions of each person with their duties. role-definitions has the permissions of each role. The role owner also gives every permission that begins with app:. A permission that no role of the person gives was given directly. Begin with the people who have TENANT_ROLES_MANAGE, TENANT_STAFF_MANAGE or SETTINGS_SECURITY_EDIT.',
      limits: 'The duties of a person: only the organisation knows them.',
    },
  ],
  population: {
    of: 'every membership of this organisation, including disabled ones and former ones (status removed). Changes after the range are undone with the help of their events. The columns email, name and account_status (the status of the person in all organisations) have the values at the time of the export',
    filter: 'created_at is before the end of the range',
  },
  columns: [
    ['staff_id', 'token', 's.staff_id'],
    ['email', 'text', 's.email'],
    ['name', 'text', 's.name'],
    ['status', 'token', STATUS],
    ['account_status', 'token', 's.account_status'],
    ['roles', 'literal', permissionsIn('s.roles')],
    ['permissions', 'literal', permissionsIn('s.permissions')],
    ['factors', 'literal', 'array_to_json(s.factors)'],
    ['created_at', 'instant', 's.created_at'],
    ['disabled_at', 'instant', DISABLED_AT],
    ['membership_ends_at', 'instant', ENDS_AT],
    ['last_sign_in_at', 'instant', 's.signed_in_at'],
  ],
  from: `FROM (${AT_THE_END}) s WHERE s.created_at IS NOT NULL`,
  order: 's.created_at, s.staff_id COLLATE "C"',
};
