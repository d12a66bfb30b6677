import type { Json } from '@/tlog/canonicalJson';
import type { SealedEvent } from '@/tlog/leaf';
import { csvCell, guard, jsonbText } from './madeUpCells';

type Event = SealedEvent;
type Cell = string | null;
/** Each column's name, with a function that returns its cell for an event. */
type Columns = readonly (readonly [name: string, cell: (event: Event) => Cell])[];

interface Table {
  readonly actions: readonly string[];
  /** It shows all actions that begin so. */
  readonly prefix?: string;
  readonly columns: Columns;
}

const memberOf = (event: Event, name: string): Json | undefined =>
  (event.details as Record<string, Json>)[name];
const text = (value: Cell) => (value === null ? null : guard(value));
const detail = (name: string) => (event: Event) => {
  const value = memberOf(event, name);
  return value === undefined ? null : guard(typeof value === 'string' ? value : jsonbText(value));
};
const list = (value: Json | undefined) => JSON.stringify(((value ?? []) as string[]).toSorted());

const LEAF = ['leaf_index', (event: Event) => String(event.leaf_index)] as const;
const AT = ['occurred_at', (event: Event) => event.occurred_at] as const;
const ACTION = ['action', (event: Event) => event.action] as const;
const ACTOR = ['actor', (event: Event) => text(event.actor)] as const;
const SUBJECT = ['subject', (event: Event) => text(event.subject)] as const;
const SESSION = ['session_id', (event: Event) => event.session_id] as const;
const IP = ['ip', (event: Event) => text(event.ip)] as const;
const DETAILS = ['details', (event: Event) => jsonbText(event.details)] as const;
const STAFF = ['staff_id', (event: Event) => (event.subject ?? '').slice('staff:'.length)] as const;
const EMAIL = ['email', () => "'=not@checked.example"] as const;

const CHANGES: Readonly<Record<string, string>> = {
  STAFF_CREATED: 'joined',
  STAFF_DISABLED: 'left',
  STAFF_ENABLED: 'returned',
  STAFF_REMOVED: 'removed',
};
const before = (event: Event) => (memberOf(event, 'before') ?? []) as string[];
const after = (event: Event) =>
  (memberOf(event, 'after') ?? memberOf(event, 'permissions') ?? []) as string[];
const without = (some: string[], others: string[]) => some.filter((one) => !others.includes(one));

const PROVENANCE = [
  ['requested_by', detail('requestedBy')],
  ['approved_by', detail('approvedBy')],
  ['ticket', detail('ticket')],
] as const;
const rolesOf = (event: Event, created: Json | undefined, changed: Json | undefined) => {
  if (event.action === 'STAFF_CREATED') return list(created);
  return changed === undefined ? null : list(changed);
};

const DOMAIN_CHANGES: Readonly<Record<string, string>> = {
  DOMAIN_ADDED: 'added',
  DOMAIN_PROVEN: 'proven',
  DOMAIN_PROOF_FAILING: 'failing',
  DOMAIN_PROOF_LOST: 'lost',
  DOMAIN_REMOVED: 'removed',
};

const CONNECTION_CHANGES: Readonly<Record<string, string>> = {
  SSO_CONNECTION_CREATED: 'created',
  SSO_CONNECTION_UPDATED: 'changed',
  SSO_CONNECTION_SECRET_ROTATED: 'secret_rotated',
  SSO_CONNECTION_DELETED: 'deleted',
};
const CONNECTION = [
  ['name', 'name'],
  ['issuer', 'issuer'],
  ['client_id', 'clientId'],
  ['token_auth', 'tokenAuth'],
  ['alg', 'alg'],
  ['required_hosted_domain', 'requiredHostedDomain'],
] as const;
const endpointsCell = (side: string) => (event: Event) => {
  const value = (memberOf(event, side) as Record<string, Json> | undefined)?.['endpoints'];
  return value === undefined ? null : jsonbText(value);
};

const RULE_CHANGES: Readonly<Record<string, string>> = {
  IP_RULE_CREATED: 'created',
  IP_RULE_UPDATED: 'changed',
  IP_RULE_DELETED: 'deleted',
};
const RULE = [
  ['effect', 'action'],
  ['applies_to', 'appliesTo'],
  ['range', 'range'],
  ['note', 'note'],
  ['expires_at', 'expiresAt'],
] as const;
const memberCell = (side: string, name: string) => (event: Event) => {
  const value = (memberOf(event, side) as Record<string, string | null> | undefined)?.[name];
  return text(value ?? null);
};
const connectionColumns = (side: string, suffix = ''): Columns => [
  ...CONNECTION.map(([column, name]) => [`${column}${suffix}`, memberCell(side, name)] as const),
  [`endpoints${suffix}`, endpointsCell(side)],
];
const NOTHING = (name: string) => [name, () => null] as const;

/**
 * The tables whose rows are events, as docs/evidence.md describes them. They use no code of the
 * server or the verifier.
 */
const TABLES: Readonly<Record<string, Table>> = {
  'joiners-leavers': {
    actions: Object.keys(CHANGES),
    columns: [
      ['change', ({ action }) => CHANGES[action] ?? ''],
      ...[AT, LEAF, STAFF, EMAIL, ACTOR],
      [
        'permissions',
        (event) => (event.action === 'STAFF_CREATED' ? list(memberOf(event, 'permissions')) : null),
      ],
      ...(['last_access_revoked_at', 'sessions_ended', 'minutes_to_revocation'] as const).map(
        (name) => [name, () => null] as const,
      ),
      ...PROVENANCE,
      ['seconds_to_effect', detail('secondsToEffect')],
    ],
  },
  'permission-changes': {
    actions: ['STAFF_CREATED', 'STAFF_PERMISSIONS_CHANGED'],
    columns: [
      ...[LEAF, AT, STAFF, EMAIL, ACTOR],
      ['before', (event) => list(before(event))],
      ['after', (event) => list(after(event))],
      ['added', (event) => list(without(after(event), before(event)))],
      ['removed', (event) => list(without(before(event), after(event)))],
      ['roles_before', (event) => rolesOf(event, undefined, memberOf(event, 'rolesBefore'))],
      [
        'roles_after',
        (event) => rolesOf(event, memberOf(event, 'roles'), memberOf(event, 'rolesAfter')),
      ],
      ...PROVENANCE,
      ['change', () => 'recorded'],
      ['not_before', () => null],
      ['not_after', () => null],
    ],
  },
  // Formats before 6 had only the columns that come first.
  'ip-rules': {
    actions: ['IP_RULE_CREATED', 'IP_RULE_UPDATED', 'IP_RULE_DELETED'],
    columns: [
      ...[LEAF, AT, ACTION, ACTOR, SUBJECT, DETAILS],
      ['shows', ({ action }) => RULE_CHANGES[action] ?? ''],
      ['rule_id', ({ subject }) => text(subject && subject.slice('ip-rule:'.length))],
      ...RULE.map(([column, name]) => [column, memberCell('after', name)] as const),
      ['trial', (event) => String('trialEndsAt' in (event.details as object))],
      ...RULE.map(([column, name]) => [`${column}_before`, memberCell('before', name)] as const),
      ['trial_ends_at', detail('trialEndsAt')],
      ['confirmed_lockout', detail('confirmedLockout')],
      ...['reason', 'started_by', 'via', 'address', 'repeated', 'ticket'].map(NOTHING),
      ...['created_at', 'created_by', 'ended_at', 'suspended_at', 'record'].map(NOTHING),
    ],
  },
  domains: {
    actions: [...Object.keys(DOMAIN_CHANGES)],
    columns: [
      ...[LEAF, AT, ACTION, ACTOR, SUBJECT, DETAILS],
      ['shows', ({ action }) => DOMAIN_CHANGES[action] ?? ''],
      ['domain_id', ({ subject }) => text(subject && [...subject].slice(7).join(''))],
      ['domain', detail('domain')],
      ['state_before', detail('before')],
      ...['finding', 'looks', 'reason', 'via', 'ticket'].map(
        (name) => [name, detail(name)] as const,
      ),
      ['lost_after', detail('lostAfter')],
      ['failing_since', detail('failingSince')],
      ...['state', 'added_at', 'added_by', 'proven_at', 'record'].map(NOTHING),
    ],
  },
  'sso-connections': {
    actions: [...Object.keys(CONNECTION_CHANGES)],
    columns: [
      ...[LEAF, AT, ACTION, ACTOR, SUBJECT, DETAILS],
      ['shows', ({ action }) => CONNECTION_CHANGES[action] ?? ''],
      ['connection_id', ({ subject }) => text(subject && [...subject].slice(15).join(''))],
      ...connectionColumns('after'),
      ...connectionColumns('before', '_before'),
      ['secret_replaced', detail('secretReplaced')],
      ['overlap_sec', detail('overlapSec')],
      ...['reason', 'via', 'ticket'].map((name) => [name, detail(name)] as const),
      ...['created_at', 'created_by', 'secret_changed_at'].map(NOTHING),
      ...['deleted_at', 'deleted_by', 'record'].map(NOTHING),
    ],
  },
  impersonations: {
    actions: ['IMPERSONATION_STARTED', 'IMPERSONATION_ENDED'],
    columns: [
      ...[LEAF, AT, ACTION, ACTOR],
      ['on_behalf_of', ({ on_behalf_of }) => on_behalf_of],
      ...[SUBJECT, SESSION, IP, DETAILS],
      ['impersonation_id', ({ subject }) => text(subject && [...subject].slice(14).join(''))],
      ['actor_email', () => null],
      ['on_behalf_of_email', () => null],
      ...['reason', 'ticket', 'scope', 'consent'].map((name) => [name, detail(name)] as const),
      ['consent_given_at', detail('consentGivenAt')],
      ['started_at', detail('startedAt')],
      ['seconds', detail('seconds')],
      ['ended_because', detail('end')],
      ['ended_by', detail('by')],
      ['opened', detail('opened')],
      ['refused', detail('refused')],
    ],
  },
  'data-exports': {
    actions: ['DATA_EXPORT_REQUESTED', 'DATA_EXPORT_COMPLETED', 'DATA_EXPORT_FAILED'],
    columns: [
      ...[LEAF, AT, ACTION],
      ['export_id', ({ subject }) => text(subject && [...subject].slice(7).join(''))],
      ...[ACTOR, SESSION, IP],
      ['kind', detail('kind')],
      ['range_from', detail('from')],
      ['range_to', detail('to')],
      ['format', detail('format')],
      ['bytes', detail('bytes')],
      ['reason', detail('reason')],
    ],
  },
  'app-events': {
    ...{ actions: [], prefix: 'app.' },
    columns: [
      ...[LEAF, AT, ACTION],
      ['sentence', () => 'A sentence'],
      ['outcome', ({ outcome }) => outcome],
      ACTOR,
      ['on_behalf_of', ({ on_behalf_of }) => on_behalf_of],
      ...[SUBJECT, IP],
      ['reported_by', detail('reportedBy')],
      ['reported', detail('reported')],
      ['reported_time', detail('reportedTime')],
      ['fields', detail('fields')],
    ],
  },
};

/** The names of the tables whose rows are events. */
export const EVENT_TABLES: readonly string[] = Object.keys(TABLES);

const line = (cells: readonly Cell[]) => `${cells.map(csvCell).join(',')}\r\n`;

/** Returns one row of such a table. */
export const tableRow = (name: string, event: Event): string =>
  line((TABLES[name]?.columns ?? []).map(([, cell]) => cell(event)));

/** Returns a table of events. @param events those of the range */
export function writeTable(name: string, events: readonly Event[]): Buffer {
  const { actions = [], columns = [], prefix } = TABLES[name] ?? {};
  const shown = events.filter(
    ({ action, outcome }) =>
      (actions.includes(action) && outcome === 'success') ||
      (prefix !== undefined && action.startsWith(prefix)),
  );
  const header = line(columns.map(([column]) => column));
  return Buffer.from(header + shown.map((event) => tableRow(name, event)).join(''));
}
