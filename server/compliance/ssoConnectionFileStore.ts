import { END, START, TENANT } from './copyStore';
import type { Column, ExportFile } from './copyStore';
import { addressOf, eventsOfRange } from './staffChangeStore';
import { firstOf, stackedRow } from './staffRowStore';

/** The actions that the file shows, and the text for each in its column `shows`. */
const SHOWN = {
  SSO_CONNECTION_CREATED: 'created',
  SSO_CONNECTION_UPDATED: 'changed',
  SSO_CONNECTION_SECRET_ROTATED: 'secret_rotated',
  SSO_CONNECTION_DELETED: 'deleted',
} as const;
const ACTIONS = Object.keys(SHOWN);
const LIST = ACTIONS.map((action) => `'${action}'`).join(', ');

const row = stackedRow({
  shows: 'text',
  connection_id: 'text',
  after: 'jsonb',
  before: 'jsonb',
  created_at: 'timestamptz',
  created_by: 'text',
  secret_changed_at: 'timestamptz',
  deleted_at: 'timestamptz',
  deleted_by: 'text',
  record: 'text',
  leaf_index: 'bigint',
  occurred_at: 'timestamptz',
  event_id: 'uuid',
  action: 'text',
  actor: 'text',
  subject: 'text',
  details: 'jsonb',
});

/** The connection in the subject of an event: the part after "sso-connection:". */
const ID_IN_SUBJECT = 'substr(e.subject, 16)';

const CHANGES = `SELECT ${ID_IN_SUBJECT} AS connection_id, e.id, e.occurred_at, e.action, e.actor, e.details
    FROM audit_logs e WHERE e.tenant_id = ${TENANT} AND e.outcome = 'success' AND e.action IN (${LIST}) AND e.subject LIKE 'sso-connection:%'`;

const FIRST = 'occurred_at, id';
const LAST = 'occurred_at DESC, id DESC';
const IS_CREATED = "action = 'SSO_CONNECTION_CREATED'";
const IS_DELETED = "action = 'SSO_CONNECTION_DELETED'";
const SETS = "action IN ('SSO_CONNECTION_CREATED', 'SSO_CONNECTION_UPDATED')";
const UNDOABLE = "action IN ('SSO_CONNECTION_UPDATED', 'SSO_CONNECTION_DELETED')";
/** A draft is created without a secret. */
const SETS_SECRET = `(action = 'SSO_CONNECTION_SECRET_ROTATED' OR details @> '{"secretReplaced": true}'
    OR (${IS_CREATED} AND details->'after'->>'clientId' IS NOT NULL))`;

/**
 * What the events say of each connection. `undone` is how it was at the end of the range, if an
 * event after the range changed that.
 */
const TOLD = `SELECT connection_id,
      ${firstOf('occurred_at', FIRST, IS_CREATED)} AS created_at,
      ${firstOf('actor', FIRST, IS_CREATED)} AS created_by,
      ${firstOf("details->'before'", FIRST, `${UNDOABLE} AND occurred_at >= ${END}`)} AS undone,
      ${firstOf("details->'after'", LAST, SETS)} AS last_set,
      ${firstOf('occurred_at', LAST, `${SETS_SECRET} AND occurred_at < ${END}`)} AS secret_changed_at,
      ${firstOf('occurred_at', LAST, IS_DELETED)} AS deleted_at,
      ${firstOf('actor', LAST, IS_DELETED)} AS deleted_by
    FROM changes GROUP BY connection_id`;

const ENDPOINTS = {
  authorization: 'authorization_endpoint',
  token: 'token_endpoint',
  jwks: 'jwks_uri',
  endSession: 'end_session_endpoint',
};
const STORED_ENDPOINTS = Object.entries(ENDPOINTS)
  .map(([name, field]) => `'${name}', k.metadata->>'${field}'`)
  .join(', ');

/** Each connection in the database, with its properties as an event has them. No secret is read. */
const STORED = `SELECT k.id::text AS connection_id, k.created_at, k.secret_changed_at, k.deleted_at,
      jsonb_build_object('name', k.name, 'issuer', k.issuer, 'clientId', k.client_id, 'tokenAuth', k.token_auth, 'alg', k.alg,
        'requiredHostedDomain', k.required_hosted_domain, 'endpoints', jsonb_build_object(${STORED_ENDPOINTS})) AS properties
    FROM sso_connections k WHERE k.tenant_id = ${TENANT}`;

const CREATED_AT = 'coalesce(t.created_at, s.created_at)';
const DELETED_AT = 'coalesce(t.deleted_at, s.deleted_at)';

/** A row that somebody removed from the database needs an event of its deletion, as one that is marked as deleted does. */
const IS_EXPLAINED = `(t.created_at IS NOT NULL
    AND (s.connection_id IS NULL OR s.deleted_at IS NOT NULL) = (t.deleted_at IS NOT NULL)
    AND (s.connection_id IS NULL OR s.properties IS NOT DISTINCT FROM t.last_set))`;

const STATES = `SELECT ${row({
  shows: "'connection'",
  connection_id: 'connection_id',
  after: 'coalesce(t.undone, s.properties, t.last_set)',
  created_at: CREATED_AT,
  created_by: 't.created_by',
  secret_changed_at: `coalesce(t.secret_changed_at, CASE WHEN s.secret_changed_at < ${END} THEN s.secret_changed_at END)`,
  deleted_at: `CASE WHEN ${DELETED_AT} < ${END} THEN ${DELETED_AT} END`,
  deleted_by: `CASE WHEN t.deleted_at < ${END} THEN t.deleted_by END`,
  record: `CASE WHEN ${IS_EXPLAINED} THEN 'recorded' ELSE 'unrecorded' END`,
})} FROM stored s FULL JOIN told t USING (connection_id)
  WHERE ${CREATED_AT} < ${END} AND coalesce(${DELETED_AT}, 'infinity') >= ${START}`;

const EVENTS_OF_RANGE = `SELECT ${row({
  shows: `CASE e.action ${Object.entries(SHOWN)
    .map(([action, shows]) => `WHEN '${action}' THEN '${shows}'`)
    .join(' ')} END`,
  connection_id: ID_IN_SUBJECT,
  after: "e.details->'after'",
  before: "e.details->'before'",
  leaf_index: 'l.leaf_index',
  occurred_at: 'e.occurred_at',
  event_id: 'e.id',
  action: 'e.action',
  actor: 'e.actor',
  subject: 'e.subject',
  details: 'e.details',
})} ${eventsOfRange(LIST)}`;

/** The columns of a connection; the same columns with a suffix show it as it was before. */
const propertyColumns = (side: string, suffix = ''): Column[] => [
  [`name${suffix}`, 'text', `(l.${side}->>'name')`],
  [`issuer${suffix}`, 'text', `(l.${side}->>'issuer')`],
  [`client_id${suffix}`, 'text', `(l.${side}->>'clientId')`],
  [`token_auth${suffix}`, 'text', `(l.${side}->>'tokenAuth')`],
  [`alg${suffix}`, 'text', `(l.${side}->>'alg')`],
  [`required_hosted_domain${suffix}`, 'text', `(l.${side}->>'requiredHostedDomain')`],
  [`endpoints${suffix}`, 'jsonb', `(l.${side}->'endpoints')`],
];

export const SSO_CONNECTIONS: ExportFile = {
  name: 'sso-connections',
  description:
    'The connections of this organisation to identity providers: each one that stood at some moment of the range, as it was at the end of the range; and each event in the range: created, changed, its secret rotated, deleted. No secret is in it. A connection that the events do not explain is shown as unrecorded.',
  controls: [
    {
      criterion: 'CC6.1',
      lookFor:
        "Begin with the rows with record 'unrecorded': somebody changed a connection directly in the database. For each connection: does the organisation know the provider by its issuer, and the client by its client_id? For each row 'changed': was another issuer approved? A secret_changed_at long ago deserves a question. If there are no rows, the organisation had no connection.",
      limits:
        'Who can sign in at the provider, and who knows the secret there. A secret that somebody replaced directly in the database is not found, nor is a connection that somebody changed there and changed back.',
    },
  ],
  population: {
    of: "a row with shows 'connection' is a connection of this organisation that stood at some moment of the range, as it was at the end of the range, or with deleted_at as it was at its own end. A connection without client_id is a draft, which nobody can sign in through. secret_changed_at is when its client secret was last set before the end of the range. Other rows are events. The columns that end in _email have the addresses at the time of the export. record is 'unrecorded' if the events do not explain the connection in the database",
    filter: `a connection was created before the end of the range, and had not been deleted before the range; an event has occurred_at in the range, and its action is one of ${ACTIONS.join(', ')}`,
  },
  columns: [
    ['shows', 'token', 'l.shows'],
    ['connection_id', 'text', 'l.connection_id'],
    ...propertyColumns('after'),
    ['created_at', 'instant', 'l.created_at'],
    ['created_by', 'text', 'l.created_by'],
    ['created_by_email', 'text', addressOf('l.created_by')],
    ['secret_changed_at', 'instant', 'l.secret_changed_at'],
    ['deleted_at', 'instant', 'l.deleted_at'],
    ['deleted_by', 'text', 'l.deleted_by'],
    ['deleted_by_email', 'text', addressOf('l.deleted_by')],
    ['record', 'token', 'l.record'],
    ['leaf_index', 'literal', 'l.leaf_index'],
    ['occurred_at', 'instant', 'l.occurred_at'],
    ['actor', 'text', 'l.actor'],
    ['actor_email', 'text', addressOf('l.actor')],
    ...propertyColumns('before', '_before'),
    ['secret_replaced', 'jsonb', "(l.details->'secretReplaced')"],
    ['overlap_sec', 'jsonb', "(l.details->'overlapSec')"],
    ['reason', 'text', "(l.details->>'reason')"],
    ['via', 'text', "(l.details->>'via')"],
    ['ticket', 'text', "(l.details->>'ticket')"],
    ['action', 'text', 'l.action'],
    ['subject', 'text', 'l.subject'],
    ['details', 'jsonb', 'l.details'],
  ],
  from: `FROM (WITH changes AS (${CHANGES}), told AS (${TOLD}), stored AS (${STORED})
  ${[STATES, EVENTS_OF_RANGE].join('\n  UNION ALL ')}) l`,
  order:
    'l.shows = \'connection\' DESC, l.created_at, l.occurred_at, l.event_id, l.connection_id COLLATE "C"',
};
