import {
  ACTION,
  COMMON,
  DETAILS,
  SUBJECT,
  detail,
  detailOf,
  jsonDetail,
  memberOf,
  moment,
  table,
  textOrNull,
} from './expectedCells';
import type { EventTable, Expected } from './expectedCells';
import type { LeafEvent } from './leafEvent';

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

export const IP_RULES: EventTable = {
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

export const DOMAINS: EventTable = {
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

const CONNECTION_EVENTS: Readonly<Record<string, string>> = {
  SSO_CONNECTION_CREATED: 'created',
  SSO_CONNECTION_UPDATED: 'changed',
  SSO_CONNECTION_SECRET_ROTATED: 'secret_rotated',
  SSO_CONNECTION_DELETED: 'deleted',
};

/** Returns the columns that show the connection in `after` or `before` of the details. */
const connectionColumns = (side: string, suffix = ''): EventTable['columns'] => ({
  [`name${suffix}`]: memberOf(side, 'name'),
  [`issuer${suffix}`]: memberOf(side, 'issuer'),
  [`client_id${suffix}`]: memberOf(side, 'clientId'),
  [`token_auth${suffix}`]: memberOf(side, 'tokenAuth'),
  [`alg${suffix}`]: memberOf(side, 'alg'),
  [`required_hosted_domain${suffix}`]: memberOf(side, 'requiredHostedDomain'),
  [`endpoints${suffix}`]: (event) =>
    jsonDetail('endpoints')({ ...event, details: detailOf(event, side) ?? null }),
});

export const SSO_CONNECTIONS: EventTable = {
  ...table('sso-connections', Object.keys(CONNECTION_EVENTS), {
    ...{ ...COMMON, ...ACTION, ...SUBJECT, ...DETAILS },
    shows: ({ action }) => CONNECTION_EVENTS[action],
    // The part after "sso-connection:".
    connection_id: ({ subject }) => textOrNull(subject && [...subject].slice(15).join('')),
    ...connectionColumns('after'),
    ...connectionColumns('before', '_before'),
    secret_replaced: jsonDetail('secretReplaced'),
    overlap_sec: jsonDetail('overlapSec'),
    reason: detail('reason'),
    via: detail('via'),
    ticket: detail('ticket'),
    created_at: () => null,
    created_by: () => null,
    secret_changed_at: () => null,
    deleted_at: () => null,
    deleted_by: () => null,
    record: () => null,
  }),
  isOfSuccess: true,
  states: { shows: 'connection', occurred_at: null, actor: null, action: null, subject: null },
};
