import type { AuthDeps } from '../deps';
import { AppError } from '../../errors';
import { isCommonPassword } from './commonPasswords';
import { isOwnWords } from './ownWords';
import { MAX_PASSWORD } from './passwordField';

/**
 * NIST SP 800-63B-4 3.1.1.2: 8 characters if the password is never the only factor, otherwise the
 * configured 15.
 */
const MIN_PASSWORD_WITH_FACTOR = 8;

/** The words of this product. */
const PRODUCT = ['gatehouse'];

/** Stable: clients may show a text of their own for each. */
export type ObjectionCode =
  'too_short' | 'too_long' | 'common' | 'own_words' | 'breached' | 'unchanged';

/** One reason why a password may not be used. */
export interface PasswordObjection {
  code: ObjectionCode;
  /** A sentence for the person. */
  message: string;
}

/** The facts about a person that decide which passwords they may use. */
export interface PasswordOwner {
  email: string;
  /** The name that the person has given themselves. */
  name: string | null;
  /** The slugs and names of the tenants in which they may sign in. */
  tenantWords: readonly string[];
  /** Every one of these tenants demands a second factor at each login. */
  factorDemanded: boolean;
}

type PolicyDeps = Pick<AuthDeps, 'config' | 'breachedPasswords'>;

function objectionsToLength(length: number, least: number): PasswordObjection[] {
  if (length > MAX_PASSWORD) {
    const message = `The password must have at most ${MAX_PASSWORD} characters.`;
    return [{ code: 'too_long', message }];
  }
  if (length >= least) return [];
  return [{ code: 'too_short', message: `The password must have at least ${least} characters.` }];
}

function objectionsToWords(password: string, owner: PasswordOwner): PasswordObjection[] {
  const [local = ''] = owner.email.split('@');
  const names = [...PRODUCT, ...owner.tenantWords, owner.email, local, owner.name ?? ''];
  const found: PasswordObjection[] = [];
  if (isCommonPassword(password)) {
    const message = 'The password is one of the most commonly used ones.';
    found.push({ code: 'common', message });
  }
  if (isOwnWords(password, names)) {
    const message =
      'The password is made of your name, your e-mail address, or the name of your organisation or of this service.';
    found.push({ code: 'own_words', message });
  }
  return found;
}

/**
 * Finds the reasons against a new password (NIST SP 800-63B-4 3.1.1.2, ASVS 5.0 6.2). There are no
 * rules about kinds of characters. Length is counted in code points after normalisation.
 * @returns every reason; none if the password may be used
 */
export async function objectionsToPassword(
  deps: PolicyDeps,
  given: string,
  owner: PasswordOwner,
): Promise<PasswordObjection[]> {
  const password = given.normalize('NFKC');
  const { passwordMinLength } = deps.config;
  const least = owner.factorDemanded
    ? Math.min(MIN_PASSWORD_WITH_FACTOR, passwordMinLength)
    : passwordMinLength;
  const ofLength = objectionsToLength([...password].length, least);
  if (ofLength.some(({ code }) => code === 'too_long')) return ofLength;
  const found = [...ofLength, ...objectionsToWords(password, owner)];
  // Checked last, so that no part of a password that is refused anyway leaves this process.
  if (found.length > 0 || !(await deps.breachedPasswords.has(password))) return found;
  const message =
    'The password is in a list of passwords that were stolen elsewhere, so attackers try it.';
  return [{ code: 'breached', message }];
}

/** Builds the error for a refused password. */
export const passwordRefused = (reasons: readonly PasswordObjection[]) =>
  new AppError('PASSWORD_REFUSED', {
    detail: reasons.map(({ message }) => message).join(' '),
    extra: { reasons },
  });

/** The error for a new password that is the one that the person has. */
export const passwordUnchanged = () =>
  passwordRefused([{ code: 'unchanged', message: 'This is your current password.' }]);

/**
 * Refuses a new password that the policy does not allow; see {@link objectionsToPassword}.
 * @throws AppError PASSWORD_REFUSED with every reason
 */
export async function assertPasswordAllowed(
  deps: PolicyDeps,
  password: string,
  owner: PasswordOwner,
): Promise<void> {
  const reasons = await objectionsToPassword(deps, password, owner);
  if (reasons.length > 0) throw passwordRefused(reasons);
}
