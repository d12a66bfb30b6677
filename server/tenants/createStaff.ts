import { z } from 'zod';
import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import type { Deps } from '../deps';
import { emailField } from '../emailAddress';
import { isCommonPassword } from './commonPasswords';
import { insertStaff, insertUserIfNew } from './store';

/** NIST SP 800-63B-4 3.1.1.2: 8 characters where a second factor is enrolled, else the configured 15. */
const MIN_PASSWORD_WITH_FACTOR = 8;
const MAX_PASSWORD = 1024;

export const staffInput = z.object({
  email: emailField,
  permissions: z
    .array(z.string().regex(/^[A-Z][A-Z0-9_]{1,63}$/, 'permissions are UPPER_SNAKE_CASE'))
    .max(200),
});

/**
 * Refuses a new password that is too short, too long or commonly used (NIST SP 800-63B-4 3.1.1.2). Length
 * is counted in code points after normalisation; nothing else is asked of it.
 * @returns a plain sentence, or undefined for a password that may be used
 */
export function objectionToPassword(
  deps: Pick<Deps, 'config'>,
  password: string,
  withFactor: boolean,
): string | undefined {
  const length = [...password.normalize('NFKC')].length;
  const least = withFactor ? MIN_PASSWORD_WITH_FACTOR : deps.config.passwordMinLength;
  if (length < least) return `The password must have at least ${least} characters.`;
  if (length > MAX_PASSWORD) return `The password must have at most ${MAX_PASSWORD} characters.`;
  if (isCommonPassword(password)) return 'The password is one of the most commonly used ones.';
  return undefined;
}

/**
 * Makes a person a staff member of a tenant. Somebody who is staff elsewhere keeps the password they have.
 * @param passwordHash used where the person is new
 * @throws ZodError; the driver's unique violation where they are staff of this tenant already
 */
export async function createStaff(
  deps: Pick<Deps, 'random' | 'clock'>,
  tx: Tx,
  ctx: RequestContext,
  input: z.input<typeof staffInput> & { tenantId: string; passwordHash: string },
  via: 'operator' | 'bootstrap',
): Promise<{ userId: string; staffId: string; userCreated: boolean }> {
  const { email, permissions } = staffInput.parse(input);
  const now = deps.clock.now();
  const { tenantId, passwordHash } = input;
  const { id: userId, created: userCreated } = await insertUserIfNew(tx, {
    id: deps.random.id(),
    email,
    emailNormalized: true,
    passwordHash,
    passwordChangedAt: now,
    createdAt: now,
  });
  const staffId = deps.random.id();
  await insertStaff(tx, { id: staffId, tenantId, userId, permissions, createdAt: now });
  await recordAudit(tx, ctx, {
    action: 'STAFF_CREATED',
    outcome: 'success',
    tenantId,
    subject: `staff:${staffId}`,
    details: { permissions, via },
  });
  return { userId, staffId, userCreated };
}
