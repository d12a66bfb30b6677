/** The kinds of notices that people get by mail. Their answers are audit events. */
export const NOTICE_KINDS = [
  'new_device',
  'login_blocked',
  'password_set',
  'password_changed',
  'password_reset',
  'recovery_code_used',
  'recovery_code_used_at_login',
  'second_proof_failed',
  'account_guessed',
  'account_closed',
  'factor_closed',
  'reuse_detected',
  'factor_changed',
  'factors_reset',
  'forced_logout',
  'email_change_requested',
  'email_changed',
  'api_key_created',
  'api_key_rotated',
] as const;

export type NoticeKind = (typeof NOTICE_KINDS)[number];
