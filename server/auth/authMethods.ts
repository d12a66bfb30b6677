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
 * Returns how a person signed in, as values of `amr`: with the password or through a provider, and
 * with the proof that let the login through, if there was one.
 * @param providerAmr the values of the provider that count, from {@link countingAmr}; null for a
 * sign-in with the password. RFC 8176 has no value for a sign-in through a provider, so none is
 * added for it.
 */
export const amrOf = (proof: string | null, providerAmr: readonly string[] | null): string[] => [
  ...new Set([
    ...(providerAmr ?? ['pwd']),
    ...(proof !== null && isMethod(proof) ? AMR[proof] : []),
  ]),
];

/** Something that the person has (RFC 8176); `fido` is what Microsoft Entra sends for a passkey. */
const POSSESSION: readonly string[] = ['fido', 'hwk', 'otp', 'sc', 'sms', 'swk', 'tel'];
/** Something that the person knows or is (RFC 8176). */
const OTHER_KIND: readonly string[] = ['face', 'fpt', 'iris', 'kba', 'pin', 'pwd', 'retina', 'vbm'];

/**
 * Returns whether a provider says that a person has shown two factors: it says `mfa`, or it names
 * something that they have and something of another kind. Two of one kind are one factor.
 */
const showsTwoFactors = (amr: readonly string[]): boolean =>
  amr.includes('mfa') ||
  (amr.some((value) => POSSESSION.includes(value)) &&
    amr.some((value) => OTHER_KIND.includes(value)));

/**
 * Returns the values of a provider's `amr` that count here: `mfa`, if it says that two factors were
 * shown and the tenant trusts it in this. Everything else is the provider's word alone.
 */
export const countingAmr = (provider: {
  amr: readonly string[];
  trustsFactor: boolean;
}): string[] => (provider.trustsFactor && showsTwoFactors(provider.amr) ? ['mfa'] : []);
