import { END, LEAF_OF_EVENT, START, TENANT, setting } from './copyStore';
import type { ExportFile } from './copyStore';
import { addressOf } from './staffChangeStore';

/** A withdrawn type keeps its row, so the events of all types are found by an index. */
const DECLARED = 'ARRAY(SELECT name FROM declared_event_types)';

export const APP_EVENTS: ExportFile = {
  name: 'app-events',
  description:
    "The events of audit-log that the organisation's own product reported, with the sentence of their type. on_behalf_of is the member as whom the actor acted. Gatehouse proves that it received them, and not that they happened. reported_by is the id of the service key of that program, and reported_by_name its name.",
  controls: [
    {
      criterion: 'CC7.2',
      lookFor:
        'The events of the product itself: which types are there, who is named as the actor, and are there events that you expected and do not find? "reported" lists what the product said and Gatehouse did not observe.',
      limits:
        'Whether an event happened, and whether the product reported every one. Gatehouse proves what it received, when, and from which service key.',
    },
  ],
  population: {
    of: 'every event of audit-log that a service of the team reported about this organisation. occurred_at is the time at which it was received, and reported_time the time that the service gave. sentence is that of the type at the time of the export, and so are reported_by_name, actor_email and on_behalf_of_email. The addresses are empty if the product named no member',
    filter: 'occurred_at is in the range, and action begins with app.',
  },
  columns: [
    ['leaf_index', 'literal', 'l.leaf_index'],
    ['occurred_at', 'instant', 'e.occurred_at'],
    ['action', 'text', 'e.action'],
    ['sentence', 'text', '(SELECT t.sentence FROM declared_event_types t WHERE t.name = e.action)'],
    ['outcome', 'token', 'e.outcome'],
    ['actor', 'text', 'e.actor'],
    ['actor_email', 'text', addressOf('e.actor')],
    ['on_behalf_of', 'token', 'e.on_behalf_of'],
    ['on_behalf_of_email', 'text', addressOf('e.on_behalf_of')],
    ['subject', 'text', 'e.subject'],
    ['ip', 'text', 'e.ip'],
    ['reported_by', 'text', "(e.details->>'reportedBy')"],
    [
      'reported_by_name',
      'text',
      "(SELECT k.name FROM service_keys k WHERE k.id::text = e.details->>'reportedBy')",
    ],
    ['reported', 'jsonb', "(e.details->'reported')"],
    ['reported_time', 'text', "(e.details->>'reportedTime')"],
    ['fields', 'jsonb', "(e.details->'fields')"],
  ],
  from: `FROM audit_logs e ${LEAF_OF_EVENT}
  WHERE e.tenant_id = ${TENANT} AND l.log_id = ${TENANT}
    AND l.leaf_index BETWEEN ${setting('first_leaf', 'bigint')} AND ${setting('last_leaf', 'bigint')}
    AND e.action = ANY (${DECLARED}) AND e.occurred_at >= ${START} AND e.occurred_at < ${END}`,
  order: 'l.leaf_index',
};

export const APP_EVENT_TYPES: ExportFile = {
  name: 'app-event-types',
  description:
    "The types of events that the organisation's own product could report at some moment of the range: what each means, and which details it has.",
  controls: [
    {
      criterion: 'CC7.2',
      lookFor:
        'Which events does the product report at all? Compare the types with the actions that matter in the product. An action without a type here leaves no trace in app-events.',
      limits: 'Events that the product does not report.',
    },
  ],
  population: {
    of: 'a type of event that the operator declared for all organisations, as it was at the time of the export',
    filter: 'it was declared before the end of the range, and not withdrawn before the range',
  },
  columns: [
    ['name', 'text', 't.name'],
    ['sentence', 'text', 't.sentence'],
    ['details', 'jsonb', 't.details'],
    ['declared_at', 'instant', 't.declared_at'],
    ['changed_at', 'instant', 't.changed_at'],
    ['withdrawn_at', 'instant', 't.withdrawn_at'],
  ],
  from: `FROM declared_event_types t
  WHERE t.declared_at < ${END} AND (t.withdrawn_at IS NULL OR t.withdrawn_at >= ${START})`,
  order: 't.name COLLATE "C"',
};
