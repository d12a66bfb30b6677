/**
 * Returns SQL for the rows in daily use together with those that were purged. A purge moves a row in one transaction,
 * so a snapshot has each row once. Only plain columns are used, so that conditions on the whole can use the indexes
 * of both tables.
 */
const both = (columns: string, hot: string, history: string, inHistory = columns) =>
  `(SELECT ${columns} FROM ${hot} UNION ALL SELECT ${inHistory} FROM ${history})`;

/** `country` is the country in which the session began; a proof may change it later. */
export const ALL_SESSIONS = both(
  `id, tenant_id, user_id, staff_id, session_version, created_at, expires_at, revoked_at, revoke_reason, remember_me, ip,
    CASE WHEN origin_proven_at IS NULL THEN country ELSE began_country END AS country, user_agent`,
  'user_sessions',
  'session_history',
  'id, tenant_id, user_id, staff_id, session_version, created_at, expires_at, revoked_at, revoke_reason, remember_me, ip, country, user_agent',
);

export const ALL_TOKENS = both(
  'id, tenant_id, staff_id, session_id, family_id, session_version, created_at, expires_at, revoked_at, revoke_reason',
  'refresh_tokens',
  'token_history',
);

export const ALL_CHALLENGES = both(
  `id, tenant_id, staff_id, session_id, origin, purpose, score, reasons, attempts, created_at, expires_at, verified_at,
    verified_method, consumed_at`,
  'step_up_challenges',
  'step_up_history',
);
