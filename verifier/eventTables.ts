import { canonicalJson } from '../tlog/canonicalJson';
import type { Json } from '../tlog/canonicalJson';
import {
  ACTION,
  COMMON,
  DETAILS,
  DEVICE,
  SUBJECT,
  detail,
  detailOf,
  jsonDetail,
  table,
  textOrNull,
} from './expectedCells';
import type { EventTable, Expected } from './expectedCells';
import type { LeafEvent } from './leafEvent';
import { DOMAINS, IP_RULES, SSO_CONNECTIONS } from './stateTables';

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

const OF_STAFF = {
  ...COMMON,
  staff_id: ({ subject }: LeafEvent) => STAFF.exec(subject ?? '')?.[1] ?? null,
};
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
  if (format < 7) return withRules;
  return [...withRules, DOMAINS, ...(format < 8 ? [] : [SSO_CONNECTIONS])];
}

/** Returns whether two JSON values are equal, regardless of the order of their members. */
export const isSameJson = (one: Json, other: Json): boolean =>
  canonicalJson(one) === canonicalJson(other);
