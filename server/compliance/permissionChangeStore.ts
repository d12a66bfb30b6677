import { END, START, TENANT } from './copyStore';
import type { ExportFile } from './copyStore';
import { emailOf, eventsOfRange } from './staffChangeStore';
import {
  firstOf,
  isReturn,
  permissionList,
  permissionsIn,
  previous,
  provenanceColumns,
  stackedRow,
  staffIdIn,
} from './staffRowStore';

const BEFORE = `coalesce(${permissionList("e.details->'before'")}, '[]')`;
const AFTER = `coalesce(${permissionList("coalesce(nullif(e.details->'after', 'null'), e.details->'permissions')")}, '[]')`;
/** Null in events of releases that knew no roles. */
const ROLES_BEFORE = `CASE WHEN e.action = 'STAFF_CREATED' THEN '[]' ELSE ${permissionList("e.details->'rolesBefore'")} END`;
const ROLES_AFTER = `CASE WHEN e.action = 'STAFF_CREATED' THEN ${permissionList("coalesce(e.details->'roles', '[]')")}
    ELSE ${permissionList("e.details->'rolesAfter'")} END`;
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
  roles_before: 'jsonb',
  roles_after: 'jsonb',
  details: 'jsonb',
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
  roles_before: ROLES_BEFORE,
  roles_after: ROLES_AFTER,
  details: 'e.details',
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

/** A list of a member that is followed through their events: their permissions, or their roles. */
interface Followed {
  /** SQL for the list before and after an event `e`. */
  readonly before: string;
  readonly after: string;
  /** The column with the present list. */
  readonly column: string;
  /** The condition for an event `e` to say something about the list. */
  readonly isKnown: string;
}

const eventSteps = ({ before, after, isKnown }: Followed) =>
  `SELECT ${step({
    subject: 'e.subject',
    place: '1',
    occurred_at: 'e.occurred_at',
    event_id: 'e.id',
    before,
    after,
  })} FROM audit_logs e WHERE e.tenant_id = ${TENANT} AND e.outcome = 'success' AND ${IS_CHANGE} AND ${isKnown} AND e.occurred_at < ${END}`;

/**
 * The list at the end of the range, as in access-review: the one before the first change after the range, or else the
 * present one.
 */
const endings = ({ before, column, isKnown }: Followed) => {
  const changes = `SELECT e.subject, ${firstOf(before, 'e.occurred_at, e.id')} AS before
  FROM audit_logs e WHERE e.tenant_id = ${TENANT} AND e.outcome = 'success'
    AND (e.action = 'STAFF_PERMISSIONS_CHANGED' OR ${isReturn('e')}) AND ${isKnown}
    AND e.occurred_at >= ${END} GROUP BY e.subject`;
  return `SELECT ${step({
    subject: "'staff:' || s.id",
    place: '2',
    before: `coalesce(n.before, to_jsonb(s.${column}))`,
  })} FROM tenant_staff s LEFT JOIN (${changes}) n ON n.subject = 'staff:' || s.id
  WHERE s.tenant_id = ${TENANT} AND s.created_at < ${END}`;
};

/**
 * Finds changes without an event: a list differs from the one that the step before ended with. A gap between two
 * events is shown in the bundle whose range holds the second event. A gap that is still open at the end of the range
 * is shown in every bundle until an event closes it, because it is unknown when in that time the change was made.
 */
const unrecorded = (list: Followed, shown: { before: string; after: string }) => `SELECT ${change({
  recorded: 'false',
  staff_id: staffIdIn('g.subject'),
  [shown.before]: 'g.known',
  [shown.after]: 'g.before',
  not_before: 'g.since',
  not_after: 'g.occurred_at',
})} FROM (
    SELECT k.*, ${previous('after')} AS known, ${previous('occurred_at')} AS since
    FROM (${[BEGINNINGS, eventSteps(list), endings(list)].join('\n  UNION ALL ')}) k
  ) g
  WHERE g.known IS NOT NULL AND NOT (g.known @> g.before AND g.before @> g.known)
    AND (g.place = 2 OR (g.place = 1 AND g.occurred_at >= ${START}))`;

const UNRECORDED = [
  unrecorded(
    { before: BEFORE, after: AFTER, column: 'permissions', isKnown: 'true' },
    { before: 'before', after: 'after' },
  ),
  unrecorded(
    {
      ...{ before: ROLES_BEFORE, after: ROLES_AFTER, column: 'roles' },
      isKnown: "(e.action = 'STAFF_CREATED' OR e.details ? 'rolesBefore')",
    },
    { before: 'roles_before', after: 'roles_after' },
  ),
].join('\n  UNION ALL ');

/** Returns a cell that is empty in a row about the other list. */
const cell = (list: string, sql: string) => `CASE WHEN ${list} IS NOT NULL THEN ${sql} END`;

export const PERMISSION_CHANGES: ExportFile = {
  name: 'permission-changes',
  description:
    "Every change of a person's roles and permissions, and who asked for it, approved it and made it. The first change of a new member is the list of permissions that the member began with. A change without an event is shown as unrecorded.",
  controls: [
    {
      criterion: 'CC6.3',
      place: 'first',
      lookFor:
        "Begin with the rows with change 'unrecorded': somebody changed roles or permissions directly in the database. Then take a sample of the other changes. Who made the change (actor), who asked for it (requested_by), and who approved it (approved_by, ticket)? Does the role need the added permissions?",
      limits: 'The meaning of each permission: the product that uses Gatehouse defines it.',
    },
  ],
  population: {
    of: "every change of the permissions of a membership of this organisation, including the permissions that it began with. roles_before and roles_after have the ids of the roles; they are empty in events of releases without roles. A row with change 'unrecorded' has no leaf_index and no actor, and either permissions or roles: somebody changed that list directly in the database, after not_before and, if not_after is not empty, before not_after",
    filter:
      'occurred_at is in the range, and action is one of STAFF_CREATED, STAFF_PERMISSIONS_CHANGED; or the change is unrecorded, and not_after is in the range or empty. An empty not_after means that the permissions at the end of the range, as in access-review, differ from those that the last event before it left, or the roles do',
  },
  columns: [
    ['leaf_index', 'literal', 'l.leaf_index'],
    ['occurred_at', 'instant', 'l.occurred_at'],
    ['staff_id', 'token', 'l.staff_id'],
    ['email', 'text', emailOf('l.staff_id')],
    ['actor', 'text', 'l.actor'],
    ['before', 'literal', cell('l.before', permissionsIn('l.before'))],
    ['after', 'literal', cell('l.after', permissionsIn('l.after'))],
    [
      'added',
      'literal',
      cell(
        'l.before',
        permissionsIn('l.after', (one) => `NOT l.before @> ${one}`),
      ),
    ],
    [
      'removed',
      'literal',
      cell(
        'l.before',
        permissionsIn('l.before', (one) => `NOT l.after @> ${one}`),
      ),
    ],
    ['roles_before', 'literal', cell('l.roles_before', permissionsIn('l.roles_before'))],
    ['roles_after', 'literal', cell('l.roles_after', permissionsIn('l.roles_after'))],
    ...provenanceColumns('l.details'),
    ['change', 'token', "CASE WHEN l.recorded THEN 'recorded' ELSE 'unrecorded' END"],
    ['not_before', 'instant', 'l.not_before'],
    ['not_after', 'instant', 'l.not_after'],
  ],
  from: `FROM (${RECORDED}\n  UNION ALL ${UNRECORDED}) l`,
  order:
    "coalesce(l.occurred_at, l.not_after, 'infinity'), l.recorded, l.event_id, l.staff_id, l.not_before, l.before, l.after, l.roles_before, l.roles_after",
};
