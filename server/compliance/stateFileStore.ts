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
    'Every session that was alive at some moment of the range, with when and why it ended, if it ended before the end of the range. last_seen_at is its last sign-in or token refresh before the end of the range.',
  population: {
    of: 'every signed-in device of this organisation. ip, country and user_agent are those of the sign-in; email is that of the export',
    filter:
      'it began before the end of the range, and had neither expired nor been revoked before the range began',
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
    'Every refresh token that was revoked in the range, and why. `rotation` is the ordinary one: each use of a token revokes it and makes its successor.',
  population: {
    of: 'every refresh token of this organisation',
    filter: 'revoked_at lies in the range',
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
    'Every decision of the risk gate at a login or a refresh: score, reasons, what the policy said, what became of it, and why there was no score where there was none.',
  population: {
    of: 'every decision of the risk gate of this organisation that is still kept: they are deleted after RISK_DECISIONS_KEEP_DAYS, those with a verdict never; what was decided stays in audit-log',
    filter: 'occurred_at lies in the range',
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
    'Every time that a second proof was asked for: for what, at which score, whether it was given, and how.',
  population: {
    of: 'every step-up challenge of this organisation, and what became of it before the end of the range; attempts counts its tries, which may go on for the minutes that it lives',
    filter: 'created_at lies in the range',
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
