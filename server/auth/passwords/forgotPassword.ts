import { recordAudit } from '../../audit';
import { clientIp } from '../../context';
import type { RequestContext } from '../../context';
import type { AuthDeps } from '../deps';
import { DAY_MS } from '../../durations';
import { queueMail, writeResetMail } from '../../mail';
import { addressBlock, attemptSubject, countFailures, lookForFamiliar } from '../../security';
import { findAccount, listOpenMemberships } from '../accountStore';
import { RESET_MINUTES, RESET_MS, toResetLink } from './resetLink';
import { countResetsSince, endPasswordResets, insertReset, lockPerson } from './passwordResetStore';

/** How many mails one address can cause in 15 minutes. */
const MOST_PER_ADDRESS = 3;
/** How many requests of one network address count in 15 minutes. It is enough for an office. */
const MOST_PER_NETWORK = 30;
/** How many mails strangers can cause to one person in a day. */
const MOST_PER_DAY = 10;

export interface ForgottenPassword {
  email: string;
  /** The hashes of the device cookie, if the request brought a valid one. */
  cookieDeviceHashes: readonly string[];
}

/**
 * Counts a request against the budgets, with the same statements for every address. A device on
 * which this person has signed in has a budget of its own: others must not be able to use up the
 * owner's.
 * @returns whether the request is within them, and whether the device is known
 */
async function takeBudget(
  deps: AuthDeps,
  ctx: RequestContext,
  { email, cookieDeviceHashes }: ForgottenPassword,
): Promise<{ granted: boolean; known: boolean }> {
  const { device: known } = await lookForFamiliar(deps, ctx, { email, cookieDeviceHashes });
  const account = attemptSubject(deps.keys, known ? 'reset-by-owner' : 'reset', email);
  const network = attemptSubject(deps.keys, 'reset-network', addressBlock(ctx.ip));
  const keys = [
    { scope: 'account' as const, subject: account },
    // A proxy that hides its clients must not make them one client.
    ...(clientIp(ctx) === null ? [] : [{ scope: 'ip' as const, subject: network }]),
  ];
  const counted = await countFailures(deps.db, keys, deps.clock.now());
  const within = counted.every(({ scope, failures }) =>
    scope === 'account' ? failures <= MOST_PER_ADDRESS : known || failures <= MOST_PER_NETWORK,
  );
  return { granted: within, known };
}

async function mailLink(
  deps: AuthDeps,
  ctx: RequestContext,
  { email, known, publicUrl }: { email: string; known: boolean; publicUrl: string },
): Promise<void> {
  const account = await findAccount(deps.db, email);
  const [first, ...others] = account ? listOpenMemberships(account) : [];
  if (!account || !first) return;
  const { userId } = account;
  const at = deps.clock.now();
  const id = deps.random.id();
  const expiresAt = new Date(at.getTime() + RESET_MS);
  const mailed = await deps.db.transaction(async (tx) => {
    await lockPerson(tx, userId);
    const links = await countResetsSince(tx, userId, new Date(at.getTime() - DAY_MS));
    if (!known && links >= MOST_PER_DAY) return false;
    await endPasswordResets(tx, userId);
    await insertReset(tx, { id, userId, expiresAt });
    for (const { tenantId, staffId } of [first, ...others]) {
      await recordAudit(tx, ctx, {
        action: 'PASSWORD_RESET_REQUESTED',
        outcome: 'success',
        tenantId,
        subject: `staff:${staffId}`,
        details: {},
      });
    }
    const link = toResetLink(deps.keys, publicUrl, id);
    await queueMail(deps, tx, {
      ...{ tenantId: first.tenantId, staffId: first.staffId, userId, to: account.email },
      kind: 'password_reset_link',
      ...writeResetMail({ link, at, minutes: RESET_MINUTES, ctx }),
      expiresAt,
    });
    return true;
  });
  if (mailed) deps.mail.wake();
}

/**
 * Mails a link for a new password to a person who has forgotten theirs. Every address is answered
 * alike: the statements before the answer are the same for all, and the work that depends on the
 * account is done in the background (ASVS 5.0 6.3.8). If a budget is used up, no mail is sent, and the
 * answer is the same.
 */
export async function forgotPassword(
  deps: AuthDeps,
  ctx: RequestContext,
  asked: ForgottenPassword,
): Promise<void> {
  const { granted, known } = await takeBudget(deps, ctx, asked);
  const { publicUrl } = deps.mail;
  if (!deps.mail.isAvailable() || publicUrl === undefined) {
    deps.logger.warn(
      'a link for a new password was asked for, but cannot be mailed: set SMTP_URL and PUBLIC_URL',
    );
    return;
  }
  if (!granted) return;
  deps.mail.aside(() => mailLink(deps, ctx, { email: asked.email, known, publicUrl }));
}
