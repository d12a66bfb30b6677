import { END, START, TENANT } from './copyStore';
import type { ExportFile } from './copyStore';
import { emailOf, eventsOfRange } from './staffChangeStore';
import {
  firstOf,
  permissionList,
  permissionsIn,
  previous,
  stackedRow,
  staffIdIn,
} from './staffRowStore';

const BEFORE = `coalesce(${permissionList("e.details->'before'")}, '[]')`;
const AFTER = `coalesce(${permissionList("coalesce(nullif(e.details->'after', 'null'), e.details->'permissions')")}, '[]')`;
const IS_CHANGE = "e.action IN ('STAFF_CREATED', 'STAFF_PERMISSIONS_CHANGED')";

const CHANGE = {
  recorded: 'boolean',
  leaf_index: 'bigint',
  occurred_at: 'timestamptz',
  event_id: 'uuid',
  staff_id: 'uuid',
  actor: 'text',
  before: 'jsonb',
  after: 'jsonb',
  not_before: 'timestamptz',
  not_after: 'timestamptz',
} as const;
const change = stackedRow(CHANGE);

const RECORDED = `SELECT ${change({
  recorded: 'true',
  leaf_index: 'l.leaf_index',
  occurred_at: 'e.occurred_at',
  event_id: 'e.id',
  staff_id: staffIdIn('e.subject'),
  actor: 'e.actor',
  before: BEFORE,
  after: AFTER,
})} ${eventsOfRange("'STAFF_CREATED', 'STAFF_PERMISSIONS_CHANGED'")}`;

/**
 * The history of a person's permissions as steps: they begin with none, each event has the lists before and after it,
 * and the list at the end of the range is the last step.
 */
const STEP = {
  subject: 'text',
  place: 'int',
  occurred_at: 'timestamptz',
  event_id: 'uuid',
  before: 'jsonb',
  after: 'jsonb',
} as const;
const step = stackedRow(STEP);

const BEGINNINGS = `SELECT ${step({
  subject: "'staff:' || s.id",
  place: '0',
  occurred_at: 's.created_at',
  after: "'[]'",
})} FROM tenant_staff s WHERE s.tenant_id = ${TENANT} AND s.created_at < ${END}`;

const EVENTS = `SELECT ${step({
  subject: 'e.subject',
  place: '1',
  occurred_at: 'e.occurred_at',
  event_id: 'e.id',
  before: BEFORE,
  after: AFTER,
})} FROM audit_logs e WHERE e.tenant_id = ${TENANT} AND e.outcome = 'success' AND ${IS_CHANGE} AND e.occurred_at < ${END}`;

/**
 * The permissions at the end of the range, as in access-review: the list before the first change after the range, or
 * else the present list.
 */
const NEXT_CHANGES = `SELECT e.subject, ${firstOf(BEFORE, 'e.occurred_at, e.id')} AS before
  FROM audit_logs e WHERE e.tenant_id = ${TENANT} AND e.outcome = 'success' AND e.action = 'STAFF_PERMISSIONS_CHANGED'
    AND e.occurred_at >= ${END} GROUP BY e.subject`;
const ENDINGS = `SELECT ${step({
  subject: "'staff:' || s.id",
  place: '2',
  before: 'coalesce(n.before, to_jsonb(s.permissions))',
})} FROM tenant_staff s LEFT JOIN (${NEXT_CHANGES}) n ON n.subject = 'staff:' || s.id
  WHERE s.tenant_id = ${TENANT} AND s.created_at < ${END}`;

/**
 * Finds changes without an event: a list differs from the one that the step before ended with. A gap between two
 * events is shown in the bundle whose range holds the second event. A gap that is still open at the end of the range
 * is shown in every bundle until an event closes it, because nothing tells when in that time the change was made.
 */
const UNRECORDED = `SELECT ${change({
  recorded: 'false',
  staff_id: staffIdIn('g.subject'),
  before: 'g.known',
  after: 'g.before',
  not_before: 'g.since',
  not_after: 'g.occurred_at',
})} FROM (
    SELECT k.*, ${previous('after')} AS known, ${previous('occurred_at')} AS since
    FROM (${[BEGINNINGS, EVENTS, ENDINGS].join('\n  UNION ALL ')}) k
  ) g
  WHERE g.known IS NOT NULL AND NOT (g.known @> g.before AND g.before @> g.known)
    AND (g.place = 2 OR (g.place = 1 AND g.occurred_at >= ${START}))`;

export const PERMISSION_CHANGES: ExportFile = {
  name: 'permission-changes',
  description:
    "Every change of a person's permissions, and who made it. The first change of a new member is the list of permissions that the member began with. A change without an event is shown as unrecorded.",
  controls: [
    {
      criterion: 'CC6.3',
      place: 'first',
      lookFor:
        "Begin with the rows with change 'unrecorded': somebody changed permissions directly in the database. Then take a sample of the other changes. Who made the change (actor)? If the operator gave a ticket, it is in the details of the event. Was the change approved? Does the role need the added permissions?",
      limits: 'The meaning of each permission: the product that uses Gatehouse defines it.',
    },
  ],
  population: {
    of: "every change of the permissions of a membership of this organisation, including the permissions that it began with. A row with change 'unrecorded' has no leaf_index and no actor: somebody changed the list directly in the database, after not_before and, if not_after is not empty, before not_after",
    filter:
      'occurred_at is in the range, and action is one of STAFF_CREATED, STAFF_PERMISSIONS_CHANGED; or the change is unrecorded, and not_after is in the range or empty. An empty not_after means that the permissions at the end of the range, as in access-review, differ from those that the last event before it left',
  },
  columns: [
    ['leaf_index', 'literal', 'l.leaf_index'],
    ['occurred_at', 'instant', 'l.occurred_at'],
    ['staff_id', 'token', 'l.staff_id'],
    ['email', 'text', emailOf('l.staff_id')],
    ['actor', 'text', 'l.actor'],
    ['before', 'literal', permissionsIn('l.before')],
    ['after', 'literal', permissionsIn('l.after')],
    ['added', 'literal', permissionsIn('l.after', (one) => `NOT l.before @> ${one}`)],
    ['removed', 'literal', permissionsIn('l.before', (one) => `NOT l.after @> ${one}`)],
    ['change', 'token', "CASE WHEN l.recorded THEN 'recorded' ELSE 'unrecorded' END"],
    ['not_before', 'instant', 'l.not_before'],
    ['not_after', 'instant', 'l.not_after'],
  ],
  from: `FROM (${RECORDED}\n  UNION ALL ${UNRECORDED}) l`,
  order:
    "coalesce(l.occurred_at, l.not_after, 'infinity'), l.recorded, l.event_id, l.staff_id, l.not_before, l.before, l.after",
};
