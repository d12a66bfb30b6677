import { isoTime } from '../db/isoTime';
import { END, LEAF_OF_EVENT, START, TENANT, setting } from './copyStore';
import type { Column, ExportFile } from './copyStore';
import { addressOf } from './staffChangeStore';
import { instantIn, stackedRow } from './staffRowStore';

/** The actions that the file shows, and the text for each in its column `shows`. */
const SHOWN = {
  IP_RULE_CREATED: 'created',
  IP_RULE_UPDATED: 'changed',
  IP_RULE_DELETED: 'deleted',
  IP_RULES_TRIAL_STARTED: 'trial_started',
  IP_RULES_TRIAL_CONFIRMED: 'trial_confirmed',
  IP_RULES_TRIAL_ENDED: 'trial_ended',
  IP_RULES_SUSPENDED: 'suspended',
  IP_RULES_RESUMED: 'resumed',
  IP_RULE_BLOCKED: 'refused',
} as const;
const ACTIONS = Object.keys(SHOWN);
const quoted = (texts: readonly string[]) => texts.map((text) => `'${text}'`).join(', ');

const row = stackedRow({
  shows: 'text',
  rule_id: 'text',
  rule: 'jsonb',
  before: 'jsonb',
  trial: 'boolean',
  created_at: 'timestamptz',
  created_by: 'text',
  ended_at: 'timestamptz',
  suspended_at: 'timestamptz',
  record: 'text',
  leaf_index: 'bigint',
  occurred_at: 'timestamptz',
  event_id: 'uuid',
  action: 'text',
  actor: 'text',
  subject: 'text',
  details: 'jsonb',
});

const EVENTS = `FROM audit_logs e WHERE e.tenant_id = ${TENANT} AND e.outcome = 'success'`;
const ENDS = `SELECT e.* ${EVENTS} AND e.action IN ('IP_RULES_TRIAL_CONFIRMED', 'IP_RULES_TRIAL_ENDED')`;

const IS_TRIAL = "(e.details->'trialEndsAt' IS NOT NULL)";

/**
 * All changes of rules ever. One in a trial counts for the rules that stand from the confirmation of that trial on, and
 * never if the trial ended. A trial is over at its end, although the event of that may come later, even after the next
 * trial has begun. A confirmation just before the end may be recorded just after it.
 */
const CHANGES = `SELECT substr(e.subject, 9) AS rule_id, e.id, e.occurred_at, e.action, e.actor,
      e.details->'before' AS before, e.details->'after' AS after, ${IS_TRIAL} AS is_trial,
      least(${instantIn("e.details->>'trialEndsAt'")}, x.occurred_at) AS trial_ended_at,
      CASE WHEN NOT ${IS_TRIAL} THEN e.occurred_at
        WHEN x.action = 'IP_RULES_TRIAL_CONFIRMED' THEN x.occurred_at END AS effective_at
    FROM (SELECT e.* ${EVENTS} AND e.action IN ('IP_RULE_CREATED', 'IP_RULE_UPDATED', 'IP_RULE_DELETED') AND e.subject LIKE 'ip-rule:%') e
    LEFT JOIN LATERAL (
      SELECT x.action, x.occurred_at FROM trial_ends x
      WHERE ${IS_TRIAL} AND (x.occurred_at, x.id) > (e.occurred_at, e.id)
        AND (CASE WHEN x.details->>'reason' = 'expired' THEN x.details->>'endedAt' = e.details->>'trialEndsAt'
          ELSE x.occurred_at < ${instantIn("e.details->>'trialEndsAt'")} + interval '1 minute' END)
      ORDER BY x.occurred_at, x.id LIMIT 1
    ) x ON true`;

const inOrder = (direction: string) =>
  ['effective_at', 'occurred_at', 'id'].map((column) => `${column} ${direction}`).join(', ');
/** Returns a query for the first or the last effective change of each rule among those that meet a condition. */
const oneOfEach = (direction: 'ASC' | 'DESC', condition: string) =>
  `SELECT DISTINCT ON (rule_id) * FROM changes WHERE effective_at IS NOT NULL AND ${condition} ORDER BY rule_id, ${inOrder(direction)}`;

const STORED = `SELECT k.id::text AS rule_id, k.trial, k.created_at, k.created_by, jsonb_build_object('action', k.action,
      'appliesTo', k.applies_to, 'range', k.range::text, 'note', k.note, 'expiresAt', ${isoTime('k.expires_at')}) AS rule
    FROM ip_rules k WHERE k.tenant_id = ${TENANT}`;

/**
 * Returns a condition: the rule of an event is the one that is stored. Postgres writes an IPv6 address that ends in an IPv4
 * address otherwise than the event, so such ranges are not compared.
 */
const isStored = (event: string) => {
  const same = ['action', 'appliesTo', 'note', 'expiresAt'].map(
    (name) => `k.rule->>'${name}' IS NOT DISTINCT FROM ${event}->>'${name}'`,
  );
  return `(${same.join(' AND ')} AND (k.rule->>'range' = ${event}->>'range' OR k.rule->>'range' LIKE '%:%.%'))`;
};

/**
 * Each rule that ever stood, as it was at the end of the range. A rule that somebody changed after the range is undone by
 * the first event of that.
 */
const STANDING = `SELECT r.rule_id, a.before AS before_end,
      CASE WHEN s.action = 'IP_RULE_CREATED' THEN NULL WHEN s.action IS NOT NULL THEN s.before
        WHEN k.created_at < ${END} THEN CASE WHEN ${isStored('a.after')} THEN a.after ELSE k.rule END
        WHEN a.action <> 'IP_RULE_DELETED' THEN a.after END AS rule,
      CASE WHEN a.action = 'IP_RULE_DELETED' AND a.effective_at >= ${START} THEN a.effective_at END AS ended_at,
      coalesce(b.occurred_at, k.created_at) AS created_at, coalesce(b.actor, k.created_by::text) AS created_by,
      b.rule_id IS NOT NULL AND CASE WHEN k.rule_id IS NULL THEN l.action = 'IP_RULE_DELETED' ELSE l.action <> 'IP_RULE_DELETED' AND ${isStored('l.after')} END AS is_recorded
    FROM (SELECT rule_id FROM changes WHERE effective_at IS NOT NULL UNION SELECT rule_id FROM stored WHERE NOT trial) r
      LEFT JOIN (${oneOfEach('DESC', `effective_at < ${END}`)}) a USING (rule_id)
      LEFT JOIN (${oneOfEach('ASC', `effective_at >= ${END}`)}) s USING (rule_id)
      LEFT JOIN (${oneOfEach('DESC', 'true')}) l USING (rule_id)
      LEFT JOIN (${oneOfEach('ASC', "action = 'IP_RULE_CREATED'")}) b USING (rule_id)
      LEFT JOIN (SELECT * FROM stored WHERE NOT trial) k USING (rule_id)`;

/** Since when the rules are suspended at the end of the range; null if they are not. */
const SUSPENDED_AT = `coalesce((SELECT s.suspended_at FROM ip_rule_sets s WHERE s.tenant_id = ${TENANT} AND s.suspended_at < ${END}),
    (SELECT CASE WHEN e.action = 'IP_RULES_SUSPENDED' THEN e.occurred_at END ${EVENTS}
      AND e.action IN ('IP_RULES_SUSPENDED', 'IP_RULES_RESUMED') AND e.occurred_at < ${END} ORDER BY e.occurred_at DESC, e.id DESC LIMIT 1))`;

/** Whether a rule had not expired before the range. */
const outlives = (rule: string) =>
  `coalesce(${instantIn(`${rule}->>'expiresAt'`)}, 'infinity') >= ${START}`;

const IN_FORCE = `SELECT ${row({
  shows: "'in_force'",
  rule_id: 'r.rule_id',
  rule: 'coalesce(r.rule, r.before_end)',
  trial: 'false',
  created_at: 'r.created_at',
  created_by: 'r.created_by',
  ended_at: 'CASE WHEN r.rule IS NULL THEN r.ended_at END',
  suspended_at: SUSPENDED_AT,
  record: "CASE WHEN r.is_recorded THEN 'recorded' ELSE 'unrecorded' END",
})} FROM standing r
  WHERE (r.rule IS NOT NULL OR r.ended_at IS NOT NULL) AND ${outlives('coalesce(r.rule, r.before_end)')}`;

/** The rules of a trial. Those of one that was kept in the range are among the rules that stand. */
const IN_TRIAL = `SELECT ${row({
  shows: "'in_force'",
  rule_id: 'c.rule_id',
  rule: 'c.after',
  trial: 'true',
  created_at: 'c.occurred_at',
  created_by: 'c.actor',
  ended_at: `CASE WHEN c.trial_ended_at < least(${END}, now()) THEN c.trial_ended_at END`,
  suspended_at: SUSPENDED_AT,
  record: "'recorded'",
})} FROM changes c
  WHERE c.is_trial AND c.after IS NOT NULL AND c.occurred_at < ${END} AND coalesce(c.effective_at, 'infinity') >= ${END}
    AND c.trial_ended_at >= ${START} AND ${outlives('c.after')}`;

/** Rules that somebody has put into a running trial by SQL. */
const IN_TRIAL_BY_SQL = `SELECT ${row({
  shows: "'in_force'",
  rule_id: 'k.rule_id',
  rule: 'k.rule',
  trial: 'true',
  created_at: 'k.created_at',
  created_by: 'k.created_by',
  suspended_at: SUSPENDED_AT,
  record: "'unrecorded'",
})} FROM stored k, ip_rule_sets s
  WHERE k.trial AND s.tenant_id = ${TENANT} AND s.trial_started_at < ${END} AND s.trial_ends_at >= ${START}
    AND k.created_at < ${END} AND ${outlives('k.rule')}
    AND NOT EXISTS (SELECT 1 FROM changes c WHERE c.rule_id = k.rule_id)
    AND NOT EXISTS (SELECT 1 FROM stored o WHERE o.rule_id = k.rule_id AND NOT o.trial)`;

const CHANGE = "e.action IN ('IP_RULE_CREATED', 'IP_RULE_UPDATED', 'IP_RULE_DELETED')";
const REFUSED = "e.action = 'IP_RULE_BLOCKED'";

const EVENTS_OF_RANGE = `SELECT ${row({
  shows: `CASE e.action ${Object.entries(SHOWN)
    .map(([action, shows]) => `WHEN '${action}' THEN '${shows}'`)
    .join(' ')} END`,
  rule_id: `CASE WHEN ${CHANGE} THEN substr(e.subject, 9) WHEN ${REFUSED} THEN e.details->>'ruleId' END`,
  rule: `CASE WHEN ${CHANGE} THEN e.details->'after' WHEN ${REFUSED} THEN e.details END`,
  before: `CASE WHEN ${CHANGE} THEN e.details->'before' END`,
  trial: `CASE WHEN ${CHANGE} THEN ${IS_TRIAL} END`,
  ended_at: `CASE WHEN e.action = 'IP_RULES_TRIAL_ENDED' THEN ${instantIn("e.details->>'endedAt'")} END`,
  leaf_index: 'l.leaf_index',
  occurred_at: 'e.occurred_at',
  event_id: 'e.id',
  action: 'e.action',
  actor: 'e.actor',
  subject: 'e.subject',
  details: 'e.details',
})} FROM audit_logs e ${LEAF_OF_EVENT}
  WHERE l.log_id = ${TENANT} AND l.leaf_index BETWEEN ${setting('first_leaf', 'bigint')} AND ${setting('last_leaf', 'bigint')}
    AND e.tenant_id = ${TENANT} AND e.action IN (${quoted(ACTIONS)}) AND e.occurred_at >= ${START} AND e.occurred_at < ${END}`;

/** The columns of a rule; the same columns with a suffix show it as it was before. */
const ruleColumns = (rule: string, suffix = ''): Column[] => [
  [`effect${suffix}`, 'text', `(l.${rule}->>'action')`],
  [`applies_to${suffix}`, 'text', `(l.${rule}->>'appliesTo')`],
  [`range${suffix}`, 'text', `(l.${rule}->>'range')`],
  [`note${suffix}`, 'text', `(l.${rule}->>'note')`],
  [`expires_at${suffix}`, 'instant', instantIn(`l.${rule}->>'expiresAt'`)],
];

const LIMITS =
  'Password reset links and signing out, which no rule limits, and networks outside Gatehouse. A rule that somebody changed and changed back directly in the database leaves no trace.';

export const IP_RULES: ExportFile = {
  name: 'ip-rules',
  description:
    'The rules about the addresses from which people and API keys may act: each rule that was in force at some moment of the range, as it was at its end; each change, trial and suspension in the range, and who made it; and what the rules refused. A rule that no event explains is shown as unrecorded.',
  controls: [
    {
      criterion: 'CC6.6',
      lookFor:
        "Begin with the rows with record 'unrecorded': somebody changed a rule directly in the database. For each rule in force: does the organisation know the network, and does the rule have to be there? For each change: who made it, and was it approved? With confirmed_lockout, why did its author shut out the own address? A row 'suspended' without 'resumed' means that no rule is in force. If there are no rows, every address was allowed.",
      limits: LIMITS,
    },
  ],
  population: {
    of: "a row with shows 'in_force' is a rule of this organisation that stood at some moment of the range, as it was at the end of the range, or with ended_at as it was at its own end. A row with trial 'true' is a rule, or a change, that holds only during a trial: until trial_ends_at, unless the trial is confirmed. Suspended rules are shown too: suspended_at says since when, at the end of the range. A row with shows 'refused' counts refusals: one, and those that repeated says, of the same member or key at the same address since the event before. confirmed_lockout is true if the change refused the address of its author, who had confirmed that. The columns that end in _email have the addresses at the time of the export. record is 'unrecorded' if the events do not explain the rule in the database",
    filter: `a rule stood before the end of the range, and had not been deleted or expired before the range; an event has occurred_at in the range, and its action is one of ${ACTIONS.join(', ')}`,
  },
  columns: [
    ['shows', 'token', 'l.shows'],
    ['rule_id', 'text', 'l.rule_id'],
    ...ruleColumns('rule'),
    ['trial', 'literal', 'l.trial'],
    ['created_at', 'instant', 'l.created_at'],
    ['created_by', 'text', 'l.created_by'],
    ['created_by_email', 'text', addressOf('l.created_by')],
    ['ended_at', 'instant', 'l.ended_at'],
    ['suspended_at', 'instant', 'l.suspended_at'],
    ['record', 'token', 'l.record'],
    ['leaf_index', 'literal', 'l.leaf_index'],
    ['occurred_at', 'instant', 'l.occurred_at'],
    ['actor', 'text', 'l.actor'],
    ['actor_email', 'text', addressOf('l.actor')],
    ...ruleColumns('before', '_before'),
    ['trial_ends_at', 'text', "coalesce(l.details->>'trialEndsAt', l.details->>'endsAt')"],
    ['confirmed_lockout', 'jsonb', "(l.details->'confirmedLockout')"],
    ['reason', 'text', "(l.details->>'reason')"],
    ['started_by', 'text', "(l.details->>'startedBy')"],
    ['started_by_email', 'text', addressOf("(l.details->>'startedBy')")],
    ['via', 'text', "(l.details->>'via')"],
    ['address', 'text', "(l.details->>'address')"],
    ['repeated', 'jsonb', "(l.details->'repeated')"],
    ['ticket', 'text', "(l.details->>'ticket')"],
    ['action', 'text', 'l.action'],
    ['subject', 'text', 'l.subject'],
    ['details', 'jsonb', 'l.details'],
  ],
  from: `FROM (WITH trial_ends AS (${ENDS}), changes AS (${CHANGES}), stored AS (${STORED}), standing AS (${STANDING})
  ${[IN_FORCE, IN_TRIAL, IN_TRIAL_BY_SQL, EVENTS_OF_RANGE].join('\n  UNION ALL ')}) l`,
  order:
    'l.shows = \'in_force\' DESC, l.created_at, l.occurred_at, l.event_id, l.rule_id COLLATE "C", l.trial',
};
