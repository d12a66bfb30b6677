import { canonicalJson } from '../tlog/canonicalJson';
import type { Json } from '../tlog/canonicalJson';
import { guard } from './csvRecords';
import type { LeafEvent } from './leafEvent';

/**
 * The expected content of a cell: a text, nothing (null), JSON with this value, or undefined if the
 * event does not determine it.
 */
export type Expected = string | null | { readonly json: Json } | undefined;

/** A table of a bundle whose rows are events of audit-log. */
export interface EventTable {
  readonly name: string;
  /** The actions whose events have one row each. */
  readonly actions: ReadonlySet<string>;
  /** Set if it shows all actions that begin with this text, besides those of the list. */
  readonly prefix?: string;
  /** Whether only successful events have a row. */
  readonly isOfSuccess: boolean;
  /**
   * Set if the table also has rows without a leaf, for changes that were found in the database and
   * not in the log. It gives the fixed text of their cells by column.
   */
  readonly unrecorded: Readonly<Record<string, string | null>> | undefined;
  /** The same for rows that show a state of the database, and no change. */
  readonly states?: Readonly<Record<string, string | null>>;
  /**
   * The expected cells of a row, computed from its event. The values of other columns come from
   * elsewhere.
   */
  readonly columns: Readonly<Record<string, (event: LeafEvent) => Expected>>;
  /** The same for columns that older releases did not write. */
  readonly newerColumns: EventTable['columns'];
}

const textOrNull = (text: string | null): string | null => (text === null ? null : guard(text));

function detailOf({ details }: LeafEvent, name: string): Json | undefined {
  const isObject = typeof details === 'object' && details !== null && !Array.isArray(details);
  return isObject ? (details as Record<string, Json>)[name] : undefined;
}

/** Does what ->> does in Postgres: returns a text as it is, and any other value as JSON. */
const detail =
  (name: string) =>
  (event: LeafEvent): Expected => {
    const value = detailOf(event, name);
    if (value === undefined || value === null) return null;
    return typeof value === 'string' ? guard(value) : { json: value };
  };

/** Does what -> does in Postgres. */
const jsonDetail =
  (name: string) =>
  (event: LeafEvent): Expected => {
    const value = detailOf(event, name);
    return value === undefined ? null : { json: value };
  };

/**
 * @returns undefined if the value is no list of texts; the verifier then does not check what the
 *   table shows of it
 */
function textsOf(value: Json | undefined): string[] | undefined {
  if (value === undefined) return [];
  return Array.isArray(value) && value.every((one) => typeof one === 'string') ? value : undefined;
}

const inBytes = (one: string, other: string): number =>
  Buffer.compare(Buffer.from(one), Buffer.from(other));

const sorted = (texts: readonly string[] | undefined): Expected =>
  texts && { json: [...texts].sort(inBytes) };

const before = (event: LeafEvent) => textsOf(detailOf(event, 'before'));
const after = (event: LeafEvent) =>
  textsOf(detailOf(event, 'after') ?? detailOf(event, 'permissions'));

function without(some: readonly string[] | undefined, others: readonly string[] | undefined) {
  return some && others && some.filter((one) => !others.includes(one));
}

const STAFF = /^staff:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;
const CHANGES: Readonly<Record<string, string>> = {
  STAFF_CREATED: 'joined',
  STAFF_DISABLED: 'left',
  STAFF_ENABLED: 'returned',
};
const CHANGES_WITH_REMOVALS = { ...CHANGES, STAFF_REMOVED: 'removed' };

const COMMON = {
  leaf_index: ({ leaf }: LeafEvent) => String(leaf),
  occurred_at: ({ occurredAt }: LeafEvent) => occurredAt,
  actor: ({ actor }: LeafEvent) => guard(actor),
};
const OF_STAFF = {
  ...COMMON,
  staff_id: ({ subject }: LeafEvent) => STAFF.exec(subject ?? '')?.[1] ?? null,
};
const ACTION = { action: ({ action }: LeafEvent) => guard(action) };
const SUBJECT = { subject: ({ subject }: LeafEvent) => textOrNull(subject) };
const DETAILS = { details: ({ details }: LeafEvent) => ({ json: details }) };
const DEVICE = {
  session_id: ({ sessionId }: LeafEvent) => sessionId,
  ip: ({ ip }: LeafEvent) => textOrNull(ip),
};

/** Returns a member of an object in the details, as ->> does in Postgres. */
const memberOf =
  (name: string, member: string) =>
  (event: LeafEvent): Expected =>
    detail(member)({ ...event, details: detailOf(event, name) ?? null });

/** Expects a moment; of a text in another form, what the table shows is not checked. */
const moment =
  (read: (event: LeafEvent) => Expected) =>
  (event: LeafEvent): Expected => {
    const text = read(event);
    if (typeof text !== 'string') return text === null ? null : undefined;
    const time = /^[1-9]\d{3}-/.test(text) ? Date.parse(text) : NaN;
    return Number.isNaN(time) || new Date(time).toISOString() !== text ? undefined : text;
  };

const table = (
  name: string,
  actions: readonly string[],
  columns: EventTable['columns'],
  { unrecorded, newerColumns = {} }: Partial<EventTable> = {},
): EventTable => ({
  ...{ name, actions: new Set(actions), columns, newerColumns, unrecorded },
  isOfSuccess: unrecorded !== undefined,
});

/** Shows who asked for a change, who approved it, and for what. */
const PROVENANCE = {
  requested_by: detail('requestedBy'),
  approved_by: detail('approvedBy'),
  ticket: detail('ticket'),
};

/** Returns the roles in an event: null in those of releases without roles. */
function roles(event: LeafEvent, created: Json | undefined, changed: Json | undefined): Expected {
  if (event.action === 'STAFF_CREATED') return sorted(textsOf(created));
  return changed === undefined ? null : sorted(textsOf(changed));
}

const joinersLeavers = (
  changes: Readonly<Record<string, string>>,
  more: EventTable['columns'] = {},
): EventTable =>
  table(
    'joiners-leavers',
    Object.keys(changes),
    {
      ...OF_STAFF,
      change: ({ action }) => changes[action],
      permissions: (event) =>
        event.action === 'STAFF_CREATED' ? sorted(textsOf(detailOf(event, 'permissions'))) : null,
      ...more,
    },
    { unrecorded: { actor: null } },
  );

const permissionChanges = (more: EventTable['columns'] = {}): EventTable =>
  table(
    'permission-changes',
    ['STAFF_CREATED', 'STAFF_PERMISSIONS_CHANGED'],
    {
      ...OF_STAFF,
      before: (event) => sorted(before(event)),
      after: (event) => sorted(after(event)),
      added: (event) => sorted(without(after(event), before(event))),
      removed: (event) => sorted(without(before(event), after(event))),
      ...more,
    },
    {
      unrecorded: { actor: null, occurred_at: null, change: 'unrecorded' },
      newerColumns: { change: () => 'recorded', not_before: () => null, not_after: () => null },
    },
  );

const OTHER_TABLES: readonly EventTable[] = [
  table('ip-rules', ['IP_RULE_CREATED', 'IP_RULE_UPDATED', 'IP_RULE_DELETED'], {
    ...{ ...COMMON, ...ACTION, ...SUBJECT, ...DETAILS },
  }),
  table(
    'impersonations',
    ['IMPERSONATION_STARTED', 'IMPERSONATION_ENDED'],
    {
      ...{ ...COMMON, ...ACTION, ...SUBJECT, ...DEVICE, ...DETAILS },
      on_behalf_of: ({ onBehalfOf }) => onBehalfOf,
    },
    {
      newerColumns: {
        // The part after "impersonation:".
        impersonation_id: ({ subject }) => textOrNull(subject && [...subject].slice(14).join('')),
        reason: detail('reason'),
        ticket: detail('ticket'),
        scope: detail('scope'),
        consent: detail('consent'),
        consent_given_at: detail('consentGivenAt'),
        started_at: detail('startedAt'),
        seconds: jsonDetail('seconds'),
        ended_because: detail('end'),
        ended_by: detail('by'),
        opened: jsonDetail('opened'),
        refused: jsonDetail('refused'),
      },
    },
  ),
  table('data-exports', ['DATA_EXPORT_REQUESTED', 'DATA_EXPORT_COMPLETED', 'DATA_EXPORT_FAILED'], {
    ...{ ...COMMON, ...ACTION, ...DEVICE },
    // The part after "export:".
    export_id: ({ subject }) => textOrNull(subject && [...subject].slice(7).join('')),
    kind: detail('kind'),
    range_from: detail('from'),
    range_to: detail('to'),
    format: detail('format'),
    bytes: jsonDetail('bytes'),
    reason: detail('reason'),
  }),
];

const FIRST_TABLES = [joinersLeavers(CHANGES), permissionChanges(), ...OTHER_TABLES];

const TABLES_WITH_ROLES = [
  joinersLeavers(CHANGES_WITH_REMOVALS, {
    ...PROVENANCE,
    seconds_to_effect: jsonDetail('secondsToEffect'),
  }),
  permissionChanges({
    ...PROVENANCE,
    roles_before: (event) => roles(event, [], detailOf(event, 'rolesBefore')),
    roles_after: (event) => roles(event, detailOf(event, 'roles'), detailOf(event, 'rolesAfter')),
  }),
  ...OTHER_TABLES,
];

/** The sentence of a type comes from elsewhere. */
const APP_EVENTS: EventTable = {
  ...table(
    'app-events',
    [],
    {
      ...{ ...COMMON, ...ACTION, ...SUBJECT },
      outcome: ({ outcome }) => outcome,
      ip: ({ ip }) => textOrNull(ip),
      reported_by: detail('reportedBy'),
      reported: jsonDetail('reported'),
      reported_time: detail('reportedTime'),
      fields: jsonDetail('fields'),
    },
    { newerColumns: { on_behalf_of: ({ onBehalfOf }) => onBehalfOf } },
  ),
  prefix: 'app.',
};

const RULE_CHANGES: Readonly<Record<string, string>> = {
  IP_RULE_CREATED: 'created',
  IP_RULE_UPDATED: 'changed',
  IP_RULE_DELETED: 'deleted',
};
const RULE_EVENTS: Readonly<Record<string, string>> = {
  ...RULE_CHANGES,
  IP_RULES_TRIAL_STARTED: 'trial_started',
  IP_RULES_TRIAL_CONFIRMED: 'trial_confirmed',
  IP_RULES_TRIAL_ENDED: 'trial_ended',
  IP_RULES_SUSPENDED: 'suspended',
  IP_RULES_RESUMED: 'resumed',
  IP_RULE_BLOCKED: 'refused',
};
const isRuleChange = ({ action }: LeafEvent) => action in RULE_CHANGES;
const ofChange =
  (read: (event: LeafEvent) => Expected) =>
  (event: LeafEvent): Expected =>
    isRuleChange(event) ? read(event) : null;
/** A refusal has the properties of the rule in the details themselves. */
const ofRule =
  (member: string) =>
  (event: LeafEvent): Expected =>
    event.action === 'IP_RULE_BLOCKED'
      ? detail(member)(event)
      : ofChange(memberOf('after', member))(event);
const ruleBefore = (member: string) => ofChange(memberOf('before', member));

/** The part after "ip-rule:". */
const idInSubject = ({ subject }: LeafEvent) =>
  textOrNull(subject && [...subject].slice(8).join(''));

const RULE_COLUMNS: EventTable['columns'] = {
  ...{ ...COMMON, ...ACTION, ...SUBJECT, ...DETAILS },
  shows: ({ action }) => RULE_EVENTS[action],
  rule_id: (event) =>
    event.action === 'IP_RULE_BLOCKED' ? detail('ruleId')(event) : ofChange(idInSubject)(event),
  effect: ofRule('action'),
  applies_to: ofRule('appliesTo'),
  range: ofRule('range'),
  note: ofRule('note'),
  expires_at: moment(ofRule('expiresAt')),
  effect_before: ruleBefore('action'),
  applies_to_before: ruleBefore('appliesTo'),
  range_before: ruleBefore('range'),
  note_before: ruleBefore('note'),
  expires_at_before: moment(ruleBefore('expiresAt')),
  trial: ofChange((event) => String(detailOf(event, 'trialEndsAt') !== undefined)),
  trial_ends_at: (event) => detail('trialEndsAt')(event) ?? detail('endsAt')(event),
  reason: detail('reason'),
  started_by: detail('startedBy'),
  via: detail('via'),
  address: detail('address'),
  repeated: jsonDetail('repeated'),
  ticket: detail('ticket'),
  ended_at: moment((event) =>
    event.action === 'IP_RULES_TRIAL_ENDED' ? detail('endedAt')(event) : null,
  ),
  created_at: () => null,
  created_by: () => null,
  suspended_at: () => null,
  record: () => null,
};

const IP_RULES: EventTable = {
  ...table('ip-rules', Object.keys(RULE_EVENTS), RULE_COLUMNS, {
    newerColumns: { confirmed_lockout: jsonDetail('confirmedLockout') },
  }),
  states: { shows: 'in_force', occurred_at: null, actor: null, action: null, subject: null },
};

const DOMAIN_EVENTS: Readonly<Record<string, string>> = {
  DOMAIN_ADDED: 'added',
  DOMAIN_PROVEN: 'proven',
  DOMAIN_PROOF_FAILING: 'failing',
  DOMAIN_PROOF_LOST: 'lost',
  DOMAIN_REMOVED: 'removed',
};

const DOMAINS: EventTable = {
  ...table('domains', Object.keys(DOMAIN_EVENTS), {
    ...{ ...COMMON, ...ACTION, ...SUBJECT, ...DETAILS },
    shows: ({ action }) => DOMAIN_EVENTS[action],
    // The part after "domain:".
    domain_id: ({ subject }) => textOrNull(subject && [...subject].slice(7).join('')),
    domain: detail('domain'),
    state_before: detail('before'),
    finding: detail('finding'),
    lost_after: detail('lostAfter'),
    failing_since: detail('failingSince'),
    looks: jsonDetail('looks'),
    reason: detail('reason'),
    via: detail('via'),
    ticket: detail('ticket'),
    state: () => null,
    added_at: () => null,
    added_by: () => null,
    proven_at: () => null,
    record: () => null,
  }),
  isOfSuccess: true,
  states: { shows: 'domain', occurred_at: null, actor: null, action: null, subject: null },
};

/** Returns whether a table shows the events of an action. */
export const showsAction = ({ actions, prefix }: EventTable, action: string): boolean =>
  actions.has(action) || (prefix !== undefined && action.startsWith(prefix));

/** Returns the tables of events in bundles of a format. */
export function eventTablesOf(format: number): readonly EventTable[] {
  if (format < 3) return FIRST_TABLES;
  if (format < 5) return TABLES_WITH_ROLES;
  const tables = [...TABLES_WITH_ROLES, APP_EVENTS];
  if (format < 6) return tables;
  const withRules = tables.map((one) => (one.name === IP_RULES.name ? IP_RULES : one));
  return format < 7 ? withRules : [...withRules, DOMAINS];
}

/** Returns whether two JSON values are equal, regardless of the order of their members. */
export const isSameJson = (one: Json, other: Json): boolean =>
  canonicalJson(one) === canonicalJson(other);
