import { pgEnum } from 'drizzle-orm/pg-core';

export const tenantStatus = pgEnum('tenant_status', ['active', 'suspended', 'deleted']);
/** `removed` is for memberships alone: a former member of a tenant. */
export const accountStatus = pgEnum('account_status', ['active', 'disabled', 'removed']);
export const highRiskAction = pgEnum('high_risk_action', ['block', 'step_up']);

/** Why a token or a session ended. Both use the same list. */
export const revokeReason = pgEnum('revoke_reason', [
  'manual',
  'rotation',
  'logout',
  'force_logout',
  'session_expired',
  'reuse_detected',
  'security_event',
]);

/** The purposes of this server's own step-ups. The team names others: `app:…`. */
export const BUILT_IN_PURPOSES = ['security_settings', 'data_export', 'impersonation'] as const;

/** The origin of a challenge: a login, a refresh, or a guarded route in a session. */
export const challengeOrigin = pgEnum('challenge_origin', ['login', 'refresh', 'session']);

/** When the risk gate is asked. */
export const riskMoment = pgEnum('risk_moment', ['login', 'refresh']);

/** The policy's decision for a score. */
export const riskDecision = pgEnum('risk_decision', ['allow', 'step_up', 'block']);

/** The outcome of a decision: `passed` after a proof, `monitored` if the policy only watches. */
export const riskOutcome = pgEnum('risk_outcome', [
  'allowed',
  'challenged',
  'passed',
  'blocked',
  'monitored',
]);

export const riskVerdict = pgEnum('risk_verdict', ['legitimate', 'suspicious']);

export const auditOutcome = pgEnum('audit_outcome', ['success', 'failure', 'denied']);

/** How an invitation reaches the invited person. */
export const invitationDelivery = pgEnum('invitation_delivery', ['mail', 'link']);

/** The kinds of changes that can wait for a second administrator. */
export const approvalKind = pgEnum('approval_kind', ['member', 'role', 'invitation', 'policy']);

export const approvalDecision = pgEnum('approval_decision', ['approved', 'refused', 'withdrawn']);

export type TenantStatus = (typeof tenantStatus.enumValues)[number];
export type AccountStatus = (typeof accountStatus.enumValues)[number];
export type RevokeReason = (typeof revokeReason.enumValues)[number];
export type StepUpPurpose = (typeof BUILT_IN_PURPOSES)[number] | `app:${string}`;
export type ChallengeOrigin = (typeof challengeOrigin.enumValues)[number];
export type RiskMoment = (typeof riskMoment.enumValues)[number];
export type RiskDecision = (typeof riskDecision.enumValues)[number];
export type RiskOutcome = (typeof riskOutcome.enumValues)[number];
export type RiskVerdict = (typeof riskVerdict.enumValues)[number];
export type AuditOutcome = (typeof auditOutcome.enumValues)[number];
export type InvitationDelivery = (typeof invitationDelivery.enumValues)[number];
export type ApprovalKind = (typeof approvalKind.enumValues)[number];
export type ApprovalDecision = (typeof approvalDecision.enumValues)[number];

/** Returns whether the team has named a purpose. */
export const isAppPurpose = (purpose: StepUpPurpose): purpose is `app:${string}` =>
  purpose.startsWith('app:');
