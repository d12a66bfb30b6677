import { END, START, TENANT } from './copyStore';
import type { ExportFile } from './copyStore';
import { ALL_CHALLENGES, ALL_SESSIONS, ALL_TOKENS } from './historyRowStore';

/** Hides what happened after the range, so that an export of a closed quarter has the same content for ever. */
const inRangeEnd = (moment: string, value = moment) =>
  `CASE WHEN ${moment} < ${END} THEN ${value} END`;

/** The row's own `last_seen_at` moves with every request; the tokens show when the session was used in the range. */
const LAST_TOKEN = `SELECT max(t.created_at) AS created_at FROM ${ALL_TOKENS} t
    WHERE t.session_id = s.id AND t.created_at < ${END}`;

export const SESSIONS: ExportFile = {
  name: 'sessions',
  description:
    'Every session that was active at some time in the range. If it ended before the end of the range, the file shows when and why. last_seen_at is the last sign-in or token refresh before the end of the range.',
  controls: [
    {
      criterion: 'CC6.1',
      lookFor:
        'For every session: did it end, when and why (revoke_reason)? A session of a person who had already left is a finding.',
      limits:
        'The end of a session that was not revoked: if revoke_reason is empty and expires_at has passed, it expired.',
    },
  ],
  population: {
    of: 'every session, that is, every signed-in device, of this organisation. ip, country and user_agent are those of the sign-in; email is the address at the time of the export',
    filter:
      'the session began before the end of the range, and had neither expired nor been revoked before the range began',
  },
  columns: [
    ['id', 'token', 's.id'],
    ['staff_id', 'token', 's.staff_id'],
    ['email', 'text', 'u.email'],
    ['created_at', 'instant', 's.created_at'],
    ['last_seen_at', 'instant', 'greatest(s.created_at, used.created_at)'],
    ['expires_at', 'instant', 's.expires_at'],
    ['revoked_at', 'instant', inRangeEnd('s.revoked_at')],
    ['revoke_reason', 'token', inRangeEnd('s.revoked_at', 's.revoke_reason')],
    ['remember_me', 'literal', 's.remember_me'],
    ['ip', 'text', 's.ip'],
    ['country', 'text', 's.country::text'],
    ['user_agent', 'text', 's.user_agent'],
  ],
  from: `FROM ${ALL_SESSIONS} s
  JOIN users u ON u.id = s.user_id
  CROSS JOIN LATERAL (${LAST_TOKEN}) used
  WHERE s.tenant_id = ${TENANT} AND s.created_at < ${END} AND s.expires_at >= ${START}
    AND (s.revoked_at IS NULL OR s.revoked_at >= ${START})`,
  order: 's.created_at, s.id',
};

export const TOKEN_REVOCATIONS: ExportFile = {
  name: 'token-revocations',
  description:
    'Every refresh token that was revoked in the range, and why. The usual reason is rotation: each use of a token revokes it and creates its successor.',
  controls: [
    {
      criterion: 'CC6.1',
      lookFor:
        'Look for reasons other than rotation. reuse_detected means that a refresh token was presented again after its use: a theft, or a faulty client. Its whole family (family_id) must have been revoked at once.',
      limits: 'Most rows show nothing unusual: rotation is the normal life of a token.',
    },
  ],
  population: {
    of: 'every refresh token of this organisation',
    filter: 'revoked_at is in the range',
  },
  columns: [
    ['token_id', 'token', 't.id'],
    ['family_id', 'token', 'coalesce(t.family_id, t.id)'],
    ['session_id', 'token', 't.session_id'],
    ['staff_id', 'token', 't.staff_id'],
    ['created_at', 'instant', 't.created_at'],
    ['revoked_at', 'instant', 't.revoked_at'],
    ['revoke_reason', 'token', 't.revoke_reason'],
  ],
  from: `FROM ${ALL_TOKENS} t
  WHERE t.tenant_id = ${TENANT} AND t.revoked_at >= ${START} AND t.revoked_at < ${END}`,
  order: 't.revoked_at, t.id',
};

export const RISK_DECISIONS: ExportFile = {
  name: 'risk-decisions',
  description:
    'Every decision of the risk gate at a login or a refresh: the score, its reasons, the decision of the policy, and the outcome. If no score was computed, "skipped" shows why.',
  controls: [
    {
      criterion: 'CC6.1',
      place: 'last',
      lookFor:
        'Were logins and refreshes scored, with reasons? Rows with a value in "skipped" have no score: look at their outcome, and ask why they were not scored and how long that lasted.',
      limits:
        'Old decisions: they are deleted after a time that the operator sets. The events of the decisions stay in audit-log.',
    },
    {
      criterion: 'CC7.2',
      lookFor:
        'Look at high scores and their reasons. If a score is above a limit of the policy, was the person challenged or blocked (outcome)? "monitored" means that the policy only observed.',
      limits:
        'The quality of the scores. If people gave a verdict on a decision, it is in the last columns.',
    },
  ],
  population: {
    of: 'every decision of the risk gate of this organisation that is still stored. A decision without a verdict is deleted after RISK_DECISIONS_KEEP_DAYS days; one with a verdict is never deleted. The events of the decisions stay in audit-log',
    filter: 'occurred_at is in the range',
  },
  columns: [
    ['id', 'token', 'd.id'],
    ['occurred_at', 'instant', 'd.occurred_at'],
    ['at', 'token', 'd.at'],
    ['staff_id', 'token', 'd.staff_id'],
    ['session_id', 'token', 'd.session_id'],
    ['score', 'literal', 'd.score'],
    ['reasons', 'literal', 'array_to_json(d.reasons)'],
    ['decision', 'token', 'd.decision'],
    ['outcome', 'token', 'd.outcome'],
    ['policy_version', 'literal', 'd.policy_version'],
    ['skipped', 'text', 'd.degraded'],
    ['ip', 'text', 'd.ip'],
    ['country', 'text', 'd.country::text'],
    ['verdict', 'token', 'd.verdict'],
    ['verdict_by', 'token', 'd.verdict_by'],
    ['verdict_at', 'instant', 'd.verdict_at'],
    ['verdict_note', 'text', 'd.verdict_note'],
    ['correlation_id', 'text', 'd.correlation_id'],
  ],
  from: `FROM risk_decisions d
  WHERE d.tenant_id = ${TENANT} AND d.occurred_at >= ${START} AND d.occurred_at < ${END}`,
  order: 'd.occurred_at, d.id',
};

const VERIFIED_AT = inRangeEnd('c.verified_at');
const USED_AT = inRangeEnd('c.consumed_at');
/** The outcome of a challenge, as far as its own row shows it. */
const STEP_UP_STATE = `CASE WHEN ${USED_AT} IS NOT NULL THEN 'used' WHEN ${VERIFIED_AT} IS NOT NULL THEN 'verified'
      WHEN c.attempts >= 5 THEN 'exhausted' ELSE 'not_verified' END`;

export const STEP_UPS: ExportFile = {
  name: 'step-ups',
  description:
    'Every request for a second proof: its purpose, the risk score, whether the proof was given, and how.',
  controls: [
    {
      criterion: 'CC6.1',
      lookFor:
        'Did sensitive actions (purpose) ask for a second proof? How often was it not given (outcome not_verified or exhausted)?',
      limits: 'Whether the right person gave the proof.',
    },
  ],
  population: {
    of: 'every step-up challenge of this organisation, with its outcome before the end of the range. attempts counts all tries, also those after the end of the range: a challenge is valid for some minutes',
    filter: 'created_at is in the range',
  },
  columns: [
    ['challenge_id', 'token', 'c.id'],
    ['created_at', 'instant', 'c.created_at'],
    ['staff_id', 'token', 'c.staff_id'],
    ['session_id', 'token', 'c.session_id'],
    ['origin', 'token', 'c.origin'],
    ['purpose', 'token', 'c.purpose'],
    ['score', 'literal', 'c.score'],
    ['reasons', 'literal', 'array_to_json(c.reasons)'],
    ['outcome', 'token', STEP_UP_STATE],
    ['method', 'text', inRangeEnd('c.verified_at', 'c.verified_method')],
    ['attempts', 'literal', 'c.attempts'],
    ['verified_at', 'instant', VERIFIED_AT],
    ['used_at', 'instant', USED_AT],
    ['expires_at', 'instant', 'c.expires_at'],
  ],
  from: `FROM ${ALL_CHALLENGES} c
  WHERE c.tenant_id = ${TENANT} AND c.created_at >= ${START} AND c.created_at < ${END}`,
  order: 'c.created_at, c.id',
};
