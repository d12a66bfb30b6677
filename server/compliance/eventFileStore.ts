import { SECURITY_EVENT_ACTIONS } from '../audit';
import { END, EVENT_OF_LEAF, LEAF_OF_EVENT, START, TENANT, setting } from './copyStore';
import type { Column, ExportFile } from './copyStore';
import { addressOf } from './staffChangeStore';

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
  description: 'Every audit event of the range, in the order of the log.',
  controls: [
    {
      criterion: 'CC7.2',
      lookFor:
        'The complete population. Take samples from it by leaf_index. The verifier proves that no event is missing, changed or moved.',
      limits:
        'Actions that were never recorded. A log cannot prove that such an action did not happen.',
    },
    {
      criterion: 'CC7.3',
      lookFor:
        'LOGIN_BLOCKED, REFRESH_REUSE_DETECTED, STEP_UP_FAILED and NOTICE_ANSWERED are not in security-events. Find them here, and read the later events with the same actor or subject.',
      limits: 'The response of people outside Gatehouse.',
    },
  ],
  population: {
    of: 'every event in the audit log of this organisation',
    filter: 'occurred_at is in the range',
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
    'Events that are in the log between, just before or just after those of audit-log, and did not occur in the range. With them you can check that no event of the range was left out.',
  // They only complete the proof of audit-log.
  controls: [],
  population: {
    of: 'every event from the first to the last leaf of this bundle',
    filter: 'occurred_at is not in the range',
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
  description: 'The events of audit-log that are security events. The rows are the same as there.',
  controls: [
    {
      criterion: 'CC7.2',
      lookFor:
        'Review these events: suspicious logins, ended sessions, impersonations, IP rules, step-ups, refreshes.',
      limits:
        'Other events: this file is a filtered view of audit-log. The verifier checks that it has exactly the rows of audit-log with these actions.',
    },
    {
      criterion: 'CC7.3',
      place: 'first',
      lookFor:
        'For each SUSPICIOUS_LOGIN_DETECTED and SESSION_INVALIDATED: did somebody look at it, and who? A verdict in risk-decisions is one trace of that.',
      limits: 'The response of people outside Gatehouse.',
    },
  ],
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
  about: Pick<ExportFile, 'name' | 'description' | 'controls' | 'columns'> & { of: string },
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
      filter: `occurred_at is in the range, and action is one of ${actions.join(', ')}`,
    },
    from: `FROM audit_logs e ${whose} AND e.action IN (${list}) AND ${IN_RANGE}`,
    order,
  };
}

export const IMPERSONATIONS = eventTable(
  {
    name: 'impersonations',
    description:
      'Every impersonation (one person acted as another): when it began, and when it ended. The row of an end answers for the whole: who, as whom, why, which consent there was, from when to when, which routes of Gatehouse were opened, and how it ended.',
    controls: [
      {
        criterion: 'CC6.3',
        lookFor:
          'For each IMPERSONATION_ENDED: does the reason or the ticket justify it, and does what was opened fit the reason? With consent required, consent_given_at shows when the other person allowed it. A beginning without an end still ran at the end of the range. If there are no rows, nobody acted as another person.',
        limits:
          "The use of the team's other programs: opened counts the requests to Gatehouse itself. Refused starts are in audit-log, as IMPERSONATION_REFUSED.",
      },
    ],
    of: 'every beginning and end of an impersonation in this organisation; actor_email and on_behalf_of_email are the addresses at the time of the export',
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
      ['impersonation_id', 'text', 'substr(e.subject, 15)'],
      ['actor_email', 'text', addressOf('e.actor')],
      ['on_behalf_of_email', 'text', addressOf('e.on_behalf_of')],
      detail('reason', 'text', 'reason'),
      detail('ticket', 'text', 'ticket'),
      detail('scope', 'text', 'scope'),
      detail('consent', 'text', 'consent'),
      detail('consent_given_at', 'text', 'consentGivenAt'),
      detail('started_at', 'text', 'startedAt'),
      detail('seconds', 'jsonb', 'seconds'),
      detail('ended_because', 'text', 'end'),
      detail('ended_by', 'text', 'by'),
      detail('opened', 'jsonb', 'opened'),
      detail('refused', 'jsonb', 'refused'),
    ],
  },
  ['IMPERSONATION_STARTED', 'IMPERSONATION_ENDED'],
);

export const DATA_EXPORTS = eventTable(
  {
    name: 'data-exports',
    description:
      'Every export that was requested, completed or failed: who exported, and which range. If the range includes the day of this export, the request for this export is in the file too.',
    controls: [
      {
        criterion: 'CC6.7',
        lookFor:
          'Who exported data, of which range, and was the export completed? Before each completed export the person gave a fresh second proof: find its STEP_UP_VERIFIED event with purpose data_export in audit-log.',
        limits:
          'Exports by other parts of the product: the file shows only exports of this evidence.',
      },
    ],
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
      'Every database migration that was applied, the hash of its text, and who applied it. The events come from the log of the installation, not from the log of this organisation.',
    controls: [
      {
        criterion: 'CC8.1',
        lookFor:
          'For each change of the database structure: is there an approved change? sha256 is the hash of the file with the same name in the source of the release.',
        limits:
          'Other changes, such as changes of the program. The file covers the database of the whole installation. The signature of the manifest proves it; the log of this organisation does not.',
      },
    ],
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
      'Every time that the running server found that the database does not match its release, and when it matched again. The events come from the log of the installation, not from the log of this organisation.',
    controls: [
      {
        criterion: 'CC8.1',
        lookFor:
          'SCHEMA_HEALTH_FAILED means that the database did not match the release. Does SCHEMA_HEALTH_RESTORED follow soon, and is there an explanation?',
        limits:
          'One organisation alone: the file covers the database of the whole installation. The signature of the manifest proves it; the log of this organisation does not.',
      },
    ],
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
