/** All step-up methods, strongest first; clients get them in this order. */
export const STEP_UP_METHODS = ['passkey', 'totp', 'recovery_code', 'email'] as const;

export type StepUpMethod = (typeof STEP_UP_METHODS)[number];
