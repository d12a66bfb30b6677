import { BUILT_IN_ROLES, builtInRole } from '../builtInRoles';
import type { BuiltInRoleId } from '../builtInRoles';
import { END, START, TENANT } from './copyStore';
import type { ExportFile } from './copyStore';
import { eventsOfRange } from './staffChangeStore';
import { firstOf, permissionsIn, previous, provenanceColumns, stackedRow } from './staffRowStore';

const ACTIONS = "'ROLE_CREATED', 'ROLE_UPDATED', 'ROLE_DELETED'";

const row = stackedRow({
  shows: 'text',
  leaf_index: 'bigint',
  occurred_at: 'timestamptz',
  event_id: 'uuid',
  role_id: 'text',
  actor: 'text',
  before: 'jsonb',
  after: 'jsonb',
  details: 'jsonb',
  not_before: 'timestamptz',
  not_after: 'timestamptz',
});

const literal = (value: unknown) => `'${JSON.stringify(value).replaceAll("'", "''")}'`;

const BUILT_IN = (Object.keys(BUILT_IN_ROLES) as BuiltInRoleId[])
  .map((id) => {
    const { name, description, permissions } = builtInRole(id);
    const after = literal({ name, description, permissions });
    return `SELECT ${row({ shows: "'built_in'", role_id: `'${id}'`, after })}`;
  })
  .join('\n  UNION ALL ');

/** Returns SQL for a definition in an event, with its permissions in order; null if there is none. */
const definitionIn = (
  json: string,
) => `CASE WHEN jsonb_typeof(${json}) = 'object' THEN jsonb_build_object(
      'name', ${json}->'name', 'description', ${json}->'description', 'permissions', ${permissionsIn(`${json}->'permissions'`)}) END`;
const BEFORE = definitionIn("e.details->'before'");
const AFTER = definitionIn("e.details->'after'");

const CHANGES = `SELECT ${row({
  shows:
    "CASE e.action WHEN 'ROLE_CREATED' THEN 'created' WHEN 'ROLE_UPDATED' THEN 'changed' ELSE 'deleted' END",
  leaf_index: 'l.leaf_index',
  occurred_at: 'e.occurred_at',
  event_id: 'e.id',
  role_id: 'substr(e.subject, 6)',
  actor: 'e.actor',
  before: BEFORE,
  after: AFTER,
  details: 'e.details',
})} ${eventsOfRange(ACTIONS)}`;

const EVENTS = `FROM audit_logs e WHERE e.tenant_id = ${TENANT} AND e.outcome = 'success' AND e.action IN (${ACTIONS})
    AND e.subject LIKE 'role:%'`;

/**
 * The roles at the end of the range: a role with later events is as it was before the first of them, and any other role
 * is as it is now. A role that did not exist is null.
 */
const AT_THE_END = `SELECT coalesce(n.role_id, r.id::text) AS role_id, CASE WHEN n.role_id IS NOT NULL THEN n.before
      WHEN r.created_at < ${END} THEN jsonb_build_object('name', r.name, 'description', r.description,
        'permissions', ${permissionsIn('to_jsonb(r.permissions)')}) END AS definition
  FROM (SELECT * FROM tenant_roles r WHERE r.tenant_id = ${TENANT}) r
  FULL JOIN (
    SELECT substr(e.subject, 6) AS role_id, ${firstOf(BEFORE, 'e.occurred_at, e.id')} AS before
    ${EVENTS} AND e.occurred_at >= ${END} GROUP BY e.subject
  ) n ON n.role_id = r.id::text`;

const DEFINITIONS = `SELECT ${row({
  shows: "'own'",
  role_id: 'd.role_id',
  after: 'd.definition',
})} FROM (${AT_THE_END}) d WHERE d.definition IS NOT NULL`;

/** The history of a role as steps, as in permission-changes: each event, and the definition at the end of the range. */
const step = stackedRow({
  subject: 'text',
  place: 'int',
  occurred_at: 'timestamptz',
  event_id: 'uuid',
  before: 'jsonb',
  after: 'jsonb',
});

const STEPS = `SELECT ${step({
  subject: 'substr(e.subject, 6)',
  place: '1',
  occurred_at: 'e.occurred_at',
  event_id: 'e.id',
  before: BEFORE,
  after: AFTER,
})} ${EVENTS} AND e.occurred_at < ${END}
  UNION ALL SELECT ${step({ subject: 'd.role_id', place: '2', before: 'd.definition' })} FROM (${AT_THE_END}) d
  UNION ALL SELECT ${step({ subject: 'e.subject', place: '2' })} FROM (
    SELECT DISTINCT substr(e.subject, 6) AS subject ${EVENTS} AND e.occurred_at < ${END}
  ) e WHERE NOT EXISTS (SELECT FROM (${AT_THE_END}) d WHERE d.role_id = e.subject)`;

const UNRECORDED = `SELECT ${row({
  shows: "'unrecorded'",
  role_id: 'g.subject',
  before: 'g.known',
  after: 'g.before',
  not_before: 'g.since',
  not_after: 'g.occurred_at',
})} FROM (
    SELECT k.*, ${previous('after')} AS known, ${previous('occurred_at')} AS since FROM (${STEPS}) k
  ) g WHERE g.known IS DISTINCT FROM g.before AND (g.place = 2 OR g.occurred_at >= ${START})`;

export const ROLE_DEFINITIONS: ExportFile = {
  name: 'role-definitions',
  description:
    "The permissions of every role at the end of the range, and every change of the organisation's own roles in it: who asked for it, approved it and made it. A change without an event is shown as unrecorded.",
  controls: [
    {
      criterion: 'CC6.3',
      lookFor:
        "Begin with the rows with shows 'unrecorded': somebody changed a role directly in the database. Then compare the permissions of each role (shows 'own' and 'built_in') with the duties that it is meant for, and look for combinations that should be separate. For each change: who asked for it, and who approved it?",
      limits:
        'The people who carry a role: they are in access-review. A change of a role changes their permissions, which is in permission-changes.',
    },
  ],
  population: {
    of: "every role. A row with shows 'own' is a role of the organisation at the end of the range. A row with shows 'built_in' is a role that every organisation has, as the release that made this bundle defines it; the role owner also gives every permission that the operator declared. A row with shows 'created', 'changed' or 'deleted' is a change in the range. A row with shows 'unrecorded' has no leaf_index and no actor: somebody changed the role directly in the database, after not_before and, if not_after is not empty, before not_after",
    filter: `a change has occurred_at in the range, and its action is one of ${ACTIONS.replaceAll("'", '')}; or the change is unrecorded, and not_after is in the range or empty`,
  },
  columns: [
    ['shows', 'token', 'l.shows'],
    ['role_id', 'text', 'l.role_id'],
    ['name', 'text', "(coalesce(l.after, l.before)->>'name')"],
    ['description', 'text', "(coalesce(l.after, l.before)->>'description')"],
    [
      'permissions',
      'literal',
      `CASE WHEN l.after IS NOT NULL THEN ${permissionsIn("l.after->'permissions'")} END`,
    ],
    ['leaf_index', 'literal', 'l.leaf_index'],
    ['occurred_at', 'instant', 'l.occurred_at'],
    ['actor', 'text', 'l.actor'],
    ['name_before', 'text', "(l.before->>'name')"],
    [
      'permissions_before',
      'literal',
      `CASE WHEN l.before IS NOT NULL THEN ${permissionsIn("l.before->'permissions'")} END`,
    ],
    ...provenanceColumns('l.details'),
    ['not_before', 'instant', 'l.not_before'],
    ['not_after', 'instant', 'l.not_after'],
  ],
  from: `FROM (${[BUILT_IN, DEFINITIONS, CHANGES, UNRECORDED].join('\n  UNION ALL ')}) l`,
  order:
    "array_position(ARRAY['built_in', 'own'], l.shows), coalesce(l.occurred_at, l.not_after, 'infinity'), l.event_id, l.role_id COLLATE \"C\", l.not_before, l.after",
};
