import { SECURITY_EVENT_ACTIONS } from '../audit';
import { END, EVENT_OF_LEAF, LEAF_OF_EVENT, START, TENANT, setting } from './copyStore';
import type { Column, ExportFile } from './copyStore';

const FIRST = setting('first_leaf', 'bigint');
const LAST = setting('last_leaf', 'bigint');
const SECURITY_ACTIONS = `(SELECT string_to_array(current_setting('gatehouse.security_actions'), ','))::text[]`;

const EVENT_COLUMNS: readonly Column[] = [
  ['leaf_index', 'literal', 'l.leaf_index'],
  ['id', 'token', 'e.id'],
  // These have years of four digits: the first lies in the range, the second is from the database's clock.
  ['occurred_at', 'moment', 'e.occurred_at'],
  ['sealed_at', 'moment', 'l.sealed_at'],
  ['action', 'text', 'e.action'],
  ['outcome', 'token', 'e.outcome'],
  ['actor', 'text', 'e.actor'],
  ['subject', 'text', 'e.subject'],
  ['on_behalf_of', 'token', 'e.on_behalf_of'],
  ['session_id', 'token', 'e.session_id'],
  ['ip', 'text', 'e.ip'],
  ['country', 'text', 'e.country::text'],
  ['user_agent', 'text', 'e.user_agent'],
  ['correlation_id', 'text', 'e.correlation_id'],
  ['details', 'jsonb', 'e.details'],
];

const IN_RANGE = `e.occurred_at >= ${START} AND e.occurred_at < ${END}`;
/**
 * Joins both tables by their keys like EVENT_OF_LEAF, but in a form that two processes can share. The conditions are
 * equivalent to IN_RANGE, and no index can be used for them.
 */
const EVENTS_OF_RANGE = `FROM audit_leaves l JOIN audit_logs e ON e.id = l.event_id
  WHERE l.log_id = ${TENANT} AND l.leaf_index BETWEEN ${FIRST} AND ${LAST}
    AND e.tenant_id IS NOT DISTINCT FROM ${TENANT} AND CASE WHEN e.occurred_at >= ${START} THEN e.occurred_at < ${END} ELSE false END`;
const LEAF_ORDER = 'l.leaf_index';

export const AUDIT_LOG: ExportFile = {
  name: 'audit-log',
  description: 'Every audit event of the range, in the order in which the log took them in.',
  population: {
    of: 'every event of the audit log of this organisation',
    filter: 'occurred_at lies in the range',
  },
  columns: EVENT_COLUMNS,
  from: EVENTS_OF_RANGE,
  order: LEAF_ORDER,
  isLog: true,
  walks: true,
};

const AT = ['occurred_at', 'instant', 'e.occurred_at'] as const;

const edge = (first: string, last: string) =>
  `SELECT l.leaf_index, l.event_id, l.sealed_at FROM audit_leaves l
    WHERE l.log_id = ${TENANT} AND l.leaf_index BETWEEN ${first} AND ${last}`;

/** Read in two pieces, so that the leaves between them are not read again if all of them are in the range. */
export const EDGES: ExportFile = {
  name: 'audit-log-edges',
  description:
    'The events beside those of audit-log that did not occur in the range: with them nobody has to believe that none was left out.',
  population: {
    of: 'every event between the first and the last leaf of this bundle',
    filter: 'occurred_at does not lie in the range',
  },
  columns: EVENT_COLUMNS.map((column) => (column[0] === 'occurred_at' ? AT : column)),
  from: `FROM (${edge(FIRST, setting('edge_before', 'bigint'))}
    UNION ALL ${edge(setting('edge_after', 'bigint'), LAST)}) l ${EVENT_OF_LEAF}
  WHERE e.tenant_id = ${TENANT} AND NOT (${IN_RANGE})`,
  order: LEAF_ORDER,
  isLog: true,
  walks: true,
};

export const SECURITY_EVENTS: ExportFile = {
  name: 'security-events',
  description: 'The events of audit-log whose action is a security event: the same rows.',
  population: {
    of: 'every event of audit-log',
    filter: `action is one of ${SECURITY_EVENT_ACTIONS.join(', ')}`,
  },
  columns: EVENT_COLUMNS,
  from: `${EVENTS_OF_RANGE} AND e.action = ANY (${SECURITY_ACTIONS})`,
  order: LEAF_ORDER,
  isLog: true,
  actions: SECURITY_EVENT_ACTIONS,
  walks: true,
};

/** Copies the leaf hashes of the stretch, a line each. */
export const COPY_LEAF_HASHES = `COPY (SELECT encode(l.leaf_hash, 'base64') FROM audit_leaves l
  WHERE l.log_id = ${TENANT} AND l.leaf_index BETWEEN ${FIRST} AND ${LAST} ORDER BY ${LEAF_ORDER}) TO STDOUT`;

const LEAF = ['leaf_index', 'literal', 'l.leaf_index'] as const;
const ACTOR = ['actor', 'text', 'e.actor'] as const;
const detail = (name: string, kind: 'text' | 'jsonb', member: string): Column => [
  name,
  kind,
  `(e.details->${kind === 'text' ? '>' : ''}'${member}')`,
];

/** Selects only events of the stretch: an event that no leaf proves yet is not in audit-log either. */
const OF_TENANT = `${LEAF_OF_EVENT}
  WHERE e.tenant_id = ${TENANT} AND l.log_id = ${TENANT} AND l.leaf_index BETWEEN ${FIRST} AND ${LAST}`;
/** Selects events of the log of no tenant, because the schema belongs to the whole installation. */
const OF_NO_TENANT = 'WHERE e.tenant_id IS NULL';

/** Returns the file of a few actions' events, which idx_audit_logs_kind finds. */
function eventTable(
  about: Pick<ExportFile, 'name' | 'description' | 'columns'> & { of: string },
  actions: readonly string[],
  whose = OF_TENANT,
  order = 'e.occurred_at, e.id',
): ExportFile {
  const { of, ...file } = about;
  const list = actions.map((action) => `'${action}'`).join(', ');
  return {
    ...file,
    population: {
      of,
      filter: `occurred_at lies in the range, and action is one of ${actions.join(', ')}`,
    },
    from: `FROM audit_logs e ${whose} AND e.action IN (${list}) AND ${IN_RANGE}`,
    order,
  };
}

export const IP_RULES = eventTable(
  {
    name: 'ip-rules',
    description: 'Every change of the rules that say from where one may sign in, with who made it.',
    of: 'every change of an IP rule of this organisation',
    columns: [
      LEAF,
      AT,
      ['action', 'text', 'e.action'],
      ACTOR,
      ['subject', 'text', 'e.subject'],
      ['details', 'jsonb', 'e.details'],
    ],
  },
  ['IP_RULE_CREATED', 'IP_RULE_UPDATED', 'IP_RULE_DELETED'],
);

export const IMPERSONATIONS = eventTable(
  {
    name: 'impersonations',
    description: 'Every time that somebody acted as somebody else, from when to when, and why.',
    of: 'every beginning and end of an impersonation in this organisation',
    columns: [
      LEAF,
      AT,
      ['action', 'text', 'e.action'],
      ACTOR,
      ['on_behalf_of', 'token', 'e.on_behalf_of'],
      ['subject', 'text', 'e.subject'],
      ['session_id', 'token', 'e.session_id'],
      ['ip', 'text', 'e.ip'],
      ['details', 'jsonb', 'e.details'],
    ],
  },
  ['IMPERSONATION_STARTED', 'IMPERSONATION_ENDED'],
);

export const DATA_EXPORTS = eventTable(
  {
    name: 'data-exports',
    description:
      'Who exported what: every export that was asked for, completed or failed. That this one was asked for is in it where the range includes its day.',
    of: 'every export of data of this organisation',
    columns: [
      LEAF,
      AT,
      ['action', 'text', 'e.action'],
      ['export_id', 'text', `substr(e.subject, 8)`],
      ACTOR,
      ['session_id', 'token', 'e.session_id'],
      ['ip', 'text', 'e.ip'],
      detail('kind', 'text', 'kind'),
      detail('range_from', 'text', 'from'),
      detail('range_to', 'text', 'to'),
      detail('format', 'text', 'format'),
      detail('bytes', 'jsonb', 'bytes'),
      detail('reason', 'text', 'reason'),
    ],
  },
  ['DATA_EXPORT_REQUESTED', 'DATA_EXPORT_COMPLETED', 'DATA_EXPORT_FAILED'],
);

export const SCHEMA_CHANGES = eventTable(
  {
    name: 'schema-changes',
    description:
      'Every migration of the database that was applied, with the hash of its text and who applied it. The log of the installation has it, not that of this organisation.',
    of: 'every migration of the database',
    columns: [
      AT,
      ['event_id', 'token', 'e.id'],
      detail('migration', 'text', 'tag'),
      detail('sha256', 'text', 'hash'),
      detail('duration_ms', 'jsonb', 'durationMs'),
      detail('release', 'text', 'codeVersion'),
      detail('applied_by', 'text', 'appliedBy'),
    ],
  },
  ['SCHEMA_MIGRATED'],
  OF_NO_TENANT,
  // The migrations of one run were recorded together, so their tags give the order.
  `e.occurred_at, e.details->>'tag', e.id`,
);

export const SCHEMA_HEALTH = eventTable(
  {
    name: 'schema-health',
    description:
      'Every time that the running server found the database unlike what its release expects, and when it was right again. The log of the installation has it.',
    of: 'every change of the health of the schema',
    columns: [
      AT,
      ['event_id', 'token', 'e.id'],
      ['action', 'text', 'e.action'],
      detail('missing', 'jsonb', 'missing'),
      detail('findings', 'jsonb', 'findings'),
      detail('differences', 'jsonb', 'differences'),
    ],
  },
  ['SCHEMA_HEALTH_FAILED', 'SCHEMA_HEALTH_RESTORED'],
  OF_NO_TENANT,
);
