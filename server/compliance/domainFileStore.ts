import { END, LEAF_OF_EVENT, START, TENANT, setting } from './copyStore';
import type { ExportFile } from './copyStore';
import { addressOf } from './staffChangeStore';
import { stackedRow } from './staffRowStore';

/** The actions that the file shows: the text for each in `shows`, and the state that it leaves. */
const SHOWN = {
  DOMAIN_ADDED: { shows: 'added', state: 'waiting' },
  DOMAIN_PROVEN: { shows: 'proven', state: 'proven' },
  DOMAIN_PROOF_FAILING: { shows: 'failing', state: 'failing' },
  DOMAIN_PROOF_LOST: { shows: 'lost', state: 'lost' },
  DOMAIN_REMOVED: { shows: 'removed', state: 'removed' },
} as const;
const ACTIONS = Object.keys(SHOWN);
const LIST = ACTIONS.map((action) => `'${action}'`).join(', ');

/** Returns an expression for the text that a column of SHOWN has for an action. */
const toText = (action: string, column: 'shows' | 'state') =>
  `CASE ${action} ${Object.entries(SHOWN)
    .map(([name, texts]) => `WHEN '${name}' THEN '${texts[column]}'`)
    .join(' ')} END`;

const row = stackedRow({
  shows: 'text',
  domain_id: 'text',
  domain: 'text',
  state: 'text',
  added_at: 'timestamptz',
  added_by: 'text',
  proven_at: 'timestamptz',
  record: 'text',
  leaf_index: 'bigint',
  occurred_at: 'timestamptz',
  event_id: 'uuid',
  action: 'text',
  actor: 'text',
  subject: 'text',
  details: 'jsonb',
});

const CHANGES = `SELECT substr(e.subject, 8) AS domain_id, e.id, e.occurred_at, e.action, e.details
    FROM audit_logs e WHERE e.tenant_id = ${TENANT} AND e.outcome = 'success' AND e.action IN (${LIST}) AND e.subject LIKE 'domain:%'`;

/** Returns a query for the last event of each domain among those that meet a condition. */
const lastOf = (condition: string) =>
  `SELECT DISTINCT ON (domain_id) domain_id, occurred_at, ${toText('action', 'state')} AS state
    FROM changes WHERE ${condition} ORDER BY domain_id, occurred_at DESC, id DESC`;

/** The state by the row itself. */
const STORED_STATE = `CASE WHEN d.removed_at IS NOT NULL THEN 'removed' WHEN d.proven_at IS NULL THEN 'waiting'
      WHEN d.lost_at IS NOT NULL THEN 'lost' WHEN d.failing_since IS NOT NULL THEN 'failing' ELSE 'proven' END`;

const STATES = `SELECT ${row({
  shows: "'domain'",
  domain_id: 'd.id',
  domain: 'd.domain',
  state: `coalesce(a.state, ${STORED_STATE})`,
  added_at: 'd.created_at',
  added_by: 'd.created_by',
  proven_at: "CASE WHEN a.state IN ('proven', 'failing') THEN p.occurred_at END",
  record: `CASE WHEN l.state = ${STORED_STATE} THEN 'recorded' ELSE 'unrecorded' END`,
})} FROM domains d
    LEFT JOIN (${lastOf(`occurred_at < ${END}`)}) a ON a.domain_id = d.id::text
    LEFT JOIN (${lastOf(`occurred_at < ${END} AND action = 'DOMAIN_PROVEN' AND details->>'before' IS DISTINCT FROM 'failing'`)}) p
      ON p.domain_id = d.id::text
    LEFT JOIN (${lastOf('true')}) l ON l.domain_id = d.id::text
  WHERE d.tenant_id = ${TENANT} AND d.created_at < ${END} AND coalesce(d.removed_at, 'infinity') >= ${START}`;

const EVENTS_OF_RANGE = `SELECT ${row({
  shows: toText('e.action', 'shows'),
  domain_id: 'substr(e.subject, 8)',
  domain: "e.details->>'domain'",
  leaf_index: 'l.leaf_index',
  occurred_at: 'e.occurred_at',
  event_id: 'e.id',
  action: 'e.action',
  actor: 'e.actor',
  subject: 'e.subject',
  details: 'e.details',
})} FROM audit_logs e ${LEAF_OF_EVENT}
  WHERE l.log_id = ${TENANT} AND l.leaf_index BETWEEN ${setting('first_leaf', 'bigint')} AND ${setting('last_leaf', 'bigint')}
    AND e.tenant_id = ${TENANT} AND e.outcome = 'success' AND e.action IN (${LIST}) AND e.occurred_at >= ${START} AND e.occurred_at < ${END}`;

export const DOMAINS: ExportFile = {
  name: 'domains',
  description:
    'The domains of this organisation: each one that it had at some moment of the range, with its state at the end of the range; and each event in the range: added, proven by a DNS record, the record gone, the proof lost, removed. A domain whose state no event explains is shown as unrecorded.',
  controls: [
    {
      criterion: 'CC6.1',
      lookFor:
        "Begin with the rows with record 'unrecorded': somebody changed a domain directly in the database. For each domain with the state proven or failing: does it belong to the organisation? For each row 'failing' or 'lost': did somebody set the record again, or remove the domain? If there are no rows, the organisation had no domain.",
      limits:
        'Who controls the domain outside Gatehouse, and its DNS. A look that found what the look before had found leaves no event.',
    },
  ],
  population: {
    of: "a row with shows 'domain' is a domain that this organisation had at some moment of the range, proven or not; state is that at the end of the range by its last event, and proven_at since when the proof has held. Other rows are events. The columns that end in _email have the addresses at the time of the export. record is 'unrecorded' if the last event does not explain the state in the database",
    filter: `a domain was added before the end of the range, and had not been removed before the range; an event has occurred_at in the range, and its action is one of ${ACTIONS.join(', ')}`,
  },
  columns: [
    ['shows', 'token', 'l.shows'],
    ['domain_id', 'text', 'l.domain_id'],
    ['domain', 'text', 'l.domain'],
    ['state', 'token', 'l.state'],
    ['added_at', 'instant', 'l.added_at'],
    ['added_by', 'text', 'l.added_by'],
    ['added_by_email', 'text', addressOf('l.added_by')],
    ['proven_at', 'instant', 'l.proven_at'],
    ['record', 'token', 'l.record'],
    ['leaf_index', 'literal', 'l.leaf_index'],
    ['occurred_at', 'instant', 'l.occurred_at'],
    ['actor', 'text', 'l.actor'],
    ['actor_email', 'text', addressOf('l.actor')],
    ['state_before', 'text', "(l.details->>'before')"],
    ['finding', 'text', "(l.details->>'finding')"],
    ['lost_after', 'text', "(l.details->>'lostAfter')"],
    ['failing_since', 'text', "(l.details->>'failingSince')"],
    ['looks', 'jsonb', "(l.details->'looks')"],
    ['reason', 'text', "(l.details->>'reason')"],
    ['via', 'text', "(l.details->>'via')"],
    ['ticket', 'text', "(l.details->>'ticket')"],
    ['action', 'text', 'l.action'],
    ['subject', 'text', 'l.subject'],
    ['details', 'jsonb', 'l.details'],
  ],
  from: `FROM (WITH changes AS (${CHANGES}) ${[STATES, EVENTS_OF_RANGE].join('\n  UNION ALL ')}) l`,
  order:
    'l.shows = \'domain\' DESC, l.added_at, l.occurred_at, l.event_id, l.domain_id COLLATE "C"',
};
