import { END, START, TENANT } from './copyStore';
import type { ExportFile } from './copyStore';
import { emailOf, eventsOfRange } from './staffChangeStore';
import { firstOf, instantIn, permissionsIn, stackedRow, staffIdIn } from './staffRowStore';

const ACTIONS = "'API_KEY_CREATED', 'API_KEY_CHANGED', 'API_KEY_ROTATED', 'API_KEY_REVOKED'";

const row = stackedRow({
  shows: 'text',
  key_id: 'text',
  holder: 'uuid',
  after: 'jsonb',
  before: 'jsonb',
  created_at: 'timestamptz',
  rotated_at: 'timestamptz',
  expires_at: 'timestamptz',
  revoked_at: 'timestamptz',
  record: 'text',
  leaf_index: 'bigint',
  occurred_at: 'timestamptz',
  event_id: 'uuid',
  actor: 'text',
  details: 'jsonb',
});

const EVENTS = `FROM audit_logs e WHERE e.tenant_id = ${TENANT} AND e.outcome = 'success' AND e.subject LIKE 'api-key:%'`;

/** The properties of each key that were changed after the range, as they were before that. */
const CHANGED_SINCE = `SELECT substr(e.subject, 9) AS key_id, ${firstOf("e.details->'before'", 'e.occurred_at, e.id')} AS before
    ${EVENTS} AND e.action = 'API_KEY_CHANGED' AND e.occurred_at >= ${END} GROUP BY e.subject`;

/** Whether each key has an event of its creation, and the expiry of its last text in or before the range. */
const ISSUED = `SELECT substr(e.subject, 9) AS key_id, bool_or(e.action = 'API_KEY_CREATED') AS is_recorded,
      ${firstOf(instantIn("e.details->>'expiresAt'"), 'e.occurred_at DESC, e.id DESC', `e.occurred_at < ${END}`)} AS expires_at,
      ${firstOf('e.occurred_at', 'e.occurred_at DESC, e.id DESC', `e.action = 'API_KEY_ROTATED' AND e.occurred_at < ${END}`)} AS rotated_at
    ${EVENTS} AND e.action IN ('API_KEY_CREATED', 'API_KEY_ROTATED') GROUP BY e.subject`;

const IN_FORCE = `SELECT ${row({
  shows: "'in_force'",
  key_id: 'k.id::text',
  holder: 'k.staff_id',
  after:
    "coalesce(c.before, jsonb_build_object('name', k.name, 'permissions', k.permissions, 'addresses', k.addresses))",
  created_at: 'k.created_at',
  rotated_at: `CASE WHEN k.rotated_at < ${END} THEN k.rotated_at ELSE i.rotated_at END`,
  expires_at: 'coalesce(i.expires_at, k.expires_at)',
  revoked_at: `CASE WHEN k.revoked_at < ${END} THEN k.revoked_at END`,
  record: "CASE WHEN i.is_recorded THEN 'recorded' ELSE 'unrecorded' END",
})} FROM api_keys k
    LEFT JOIN (${CHANGED_SINCE}) c ON c.key_id = k.id::text
    LEFT JOIN (${ISSUED}) i ON i.key_id = k.id::text
  WHERE k.tenant_id = ${TENANT} AND k.created_at < ${END}
    AND least(k.revoked_at, coalesce(i.expires_at, k.expires_at)) >= ${START}`;

const CHANGES = `SELECT ${row({
  shows:
    "CASE e.action WHEN 'API_KEY_CREATED' THEN 'created' WHEN 'API_KEY_CHANGED' THEN 'changed' WHEN 'API_KEY_ROTATED' THEN 'rotated' ELSE 'revoked' END",
  key_id: 'substr(e.subject, 9)',
  holder: staffIdIn("'staff:' || (e.details->>'holder')"),
  after: "CASE e.action WHEN 'API_KEY_CREATED' THEN e.details ELSE e.details->'after' END",
  before: "e.details->'before'",
  expires_at: instantIn("e.details->>'expiresAt'"),
  leaf_index: 'l.leaf_index',
  occurred_at: 'e.occurred_at',
  event_id: 'e.id',
  actor: 'e.actor',
  details: 'e.details',
})} ${eventsOfRange(ACTIONS)}`;

/** Returns SQL for a list in the properties of a key; null if there is none. */
const listIn = (properties: string, name: string) =>
  `CASE WHEN jsonb_typeof(l.${properties}->'${name}') = 'array' THEN ${permissionsIn(`l.${properties}->'${name}'`)} END`;

export const API_KEYS_FILE: ExportFile = {
  name: 'api-keys',
  description:
    'Every API key that was in force at some moment of the range, as it was at its end: whose permissions it uses, from which addresses, and until when; and every change of a key in the range. No key and no hash is in it. A key without an event of its creation is shown as unrecorded.',
  controls: [
    {
      criterion: 'CC6.1',
      lookFor:
        "Begin with the rows with record 'unrecorded': somebody created a key directly in the database. For each key in force: does the organisation know the program, does the program need these permissions, and is the key limited to the program's addresses? Long-lived keys without a rotation deserve a question.",
      limits:
        'Where a key is stored, and who can read it there. What a program did with a key is in audit-log: the details of those events have its apiKeyId.',
    },
  ],
  population: {
    of: "a row with shows 'in_force' is a key of this organisation that could be used at some moment of the range, as it was at the end of the range. A row with shows 'created', 'changed', 'rotated' or 'revoked' is a change in the range. A key can do no more than its holder could at the time of a request; holder_email is the address at the time of the export",
    filter: `a key was created before the end of the range, and had not been revoked or expired before the range; a change has occurred_at in the range, and its action is one of ${ACTIONS.replaceAll("'", '')}`,
  },
  columns: [
    ['shows', 'token', 'l.shows'],
    ['key_id', 'text', 'l.key_id'],
    ['name', 'text', "(l.after->>'name')"],
    ['holder_id', 'token', 'l.holder'],
    ['holder_email', 'text', emailOf('l.holder')],
    ['permissions', 'literal', listIn('after', 'permissions')],
    ['addresses', 'literal', listIn('after', 'addresses')],
    ['created_at', 'instant', 'l.created_at'],
    ['rotated_at', 'instant', 'l.rotated_at'],
    ['expires_at', 'instant', 'l.expires_at'],
    ['revoked_at', 'instant', 'l.revoked_at'],
    ['record', 'token', 'l.record'],
    ['leaf_index', 'literal', 'l.leaf_index'],
    ['occurred_at', 'instant', 'l.occurred_at'],
    ['actor', 'text', 'l.actor'],
    ['name_before', 'text', "(l.before->>'name')"],
    ['permissions_before', 'literal', listIn('before', 'permissions')],
    ['addresses_before', 'literal', listIn('before', 'addresses')],
    ['overlap_sec', 'text', "(l.details->>'overlapSec')"],
    ['reason', 'text', "(l.details->>'reason')"],
    ['ticket', 'text', "(l.details->>'ticket')"],
  ],
  from: `FROM (${[IN_FORCE, CHANGES].join('\n  UNION ALL ')}) l`,
  order:
    'l.shows = \'in_force\' DESC, l.created_at, l.occurred_at, l.event_id, l.key_id COLLATE "C"',
};
