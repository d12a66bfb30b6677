import type { StepUpMethod } from '../security';

/** The values of each proof: RFC 8176 has `otp`, `hwk` and `mfa`. An e-mail is no second factor. */
const AMR: Record<StepUpMethod, readonly string[]> = {
  passkey: ['hwk', 'mfa'],
  totp: ['otp', 'mfa'],
  recovery_code: ['rc', 'mfa'],
  email: ['email'],
};

const isMethod = (name: string): name is StepUpMethod => Object.hasOwn(AMR, name);

/**
 * Returns how a person signed in, as values of `amr`: with the password, and with the proof that
 * let the login through, if there was one.
 */
export const amrOf = (proof: string | null): string[] => [
  'pwd',
  ...(proof !== null && isMethod(proof) ? AMR[proof] : []),
];
