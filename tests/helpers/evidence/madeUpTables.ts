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
const ruleCell = (side: string, name: string) => (event: Event) => {
  const value = (memberOf(event, side) as Record<string, string | null> | undefined)?.[name];
  return text(value ?? null);
};
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
      ...RULE.map(([column, name]) => [column, ruleCell('after', name)] as const),
      ['trial', (event) => String('trialEndsAt' in (event.details as object))],
      ...RULE.map(([column, name]) => [`${column}_before`, ruleCell('before', name)] as const),
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

const STAFF_ID = 'staff:01900000-0000-7000-8000-00000000005a';

/** Some events that those tables show, by leaf. */
export const TABLE_EVENTS: Readonly<Record<number, Partial<Event>>> = {
  40: { action: 'STAFF_CREATED', subject: STAFF_ID, details: { permissions: ['B_B', 'A_A'] } },
  43: {
    action: 'STAFF_PERMISSIONS_CHANGED',
    subject: STAFF_ID,
    details: {
      ...{ before: ['A_A', 'B_B'], after: ['C_C', 'B_B'], rolesBefore: [], rolesAfter: ['owner'] },
      ...{ requestedBy: 'ann', approvedBy: 'bob', ticket: '=HR-7' },
    },
  },
  46: { action: 'STAFF_DISABLED', subject: STAFF_ID, details: { secondsToEffect: 0.25 } },
  49: { action: 'STAFF_ENABLED', subject: STAFF_ID },
  52: {
    action: 'IP_RULE_CREATED',
    subject: 'ip-rule:7',
    details: {
      ...{ rule: { b: 0.5, aa: null }, trialEndsAt: '2026-03-02T12:00:00.000Z' },
      after: {
        ...{ action: 'allow', appliesTo: 'people', range: '192.0.2.0/24' },
        ...{ note: '=1+1', expiresAt: '2026-04-01T00:00:00.000Z' },
      },
    },
  },
  55: { action: 'IMPERSONATION_STARTED', subject: STAFF_ID, details: { reason: '-why' } },
  58: {
    action: 'DATA_EXPORT_COMPLETED',
    subject: 'export:🦊1',
    details: { kind: 'bundle', from: '2026-01-01', to: '-', format: 'csv', bytes: 7 },
  },
  61: { action: 'STAFF_CREATED', outcome: 'failure', subject: STAFF_ID, details: {} },
  62: {
    action: 'app.project.deleted',
    outcome: 'denied',
    subject: '=project:1',
    on_behalf_of: '0198c2f4-7a51-7cc3-98c4-dc0c0c07398f',
    details: {
      ...{ fields: { project: '=1+1' }, reportedBy: 'k', reported: ['subject'] },
      reportedTime: '2026-01-01T00:00:00.000Z',
    },
  },
  64: { action: 'STAFF_REMOVED', subject: STAFF_ID, details: { requestedBy: 'cyd' } },
};
