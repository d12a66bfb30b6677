import { isOfOperators } from '../context';
import type { RequestContext } from '../context';
import { LINK_DAYS } from './noticeLink';
import { toLine, withoutLinks } from './plainText';
import type { NoticeKind } from '../audit';

/** A change of a person's factors; `recovery_code` stands for the whole set. */
export interface FactorChange {
  factor: 'totp' | 'passkey' | 'recovery_code';
  change: 'added' | 'removed' | 'replaced';
}

/** The event that a notice reports. */
export type Notice =
  | { kind: 'new_device' }
  | { kind: 'reuse_detected' }
  | { kind: 'factor_changed'; what: FactorChange }
  | { kind: 'factors_reset'; by: 'operator' | 'administrator' }
  | { kind: 'login_blocked' }
  | { kind: 'password_set' | 'password_changed' | 'password_reset' }
  | { kind: 'email_change_requested' | 'email_changed' }
  | { kind: 'api_key_created' | 'api_key_rotated'; name: string }
  | { kind: 'recovery_code_used' | 'recovery_code_used_at_login' }
  | { kind: 'second_proof_failed' }
  | { kind: 'account_guessed' | 'account_closed' }
  /**
   * `begun`: only logins that begin with the second factor are locked; codes after the password are
   * still accepted.
   */
  | { kind: 'factor_closed'; begun?: true }
  | {
      kind: 'forced_logout';
      by: 'operator' | 'administrator' | 'score';
      /** True if the password can no longer be used. */
      passwordExpired?: boolean;
    };

/** Someone used the right password. If it was not the owner, the password must be expired. */
const OF_PASSWORD: ReadonlySet<NoticeKind> = new Set([
  'new_device',
  'login_blocked',
  'password_set',
  'password_changed',
  'password_reset',
  'recovery_code_used_at_login',
  'second_proof_failed',
]);

/** Returns whether a notice of this kind is about a use of the password. */
export const isAboutPassword = (kind: NoticeKind): boolean => OF_PASSWORD.has(kind);

export interface NoticeFacts {
  tenantName: string;
  at: Date;
  /** The request that the notice is about. */
  ctx: Pick<RequestContext, 'actor' | 'ip' | 'country' | 'userAgent'>;
  /** Undefined if links are not configured. */
  link: string | undefined;
}

const MOST_NAME = 80;
const MOST_AGENT = 120;

const FACTORS: Record<FactorChange['factor'], [one: string, be: string]> = {
  totp: ['an authenticator app', 'was'],
  passkey: ['a passkey', 'was'],
  recovery_code: ['recovery codes', 'were'],
};

function describeChange({ factor, change }: FactorChange, tenant: string) {
  const [one, be] = FACTORS[factor];
  const what = `${one.charAt(0).toUpperCase()}${one.slice(1)} ${be} ${change}`;
  const preposition = { added: 'to', removed: 'from', replaced: 'on' }[change];
  return {
    subject: `${what}: ${tenant}`,
    text: `${what} ${preposition} your account at ${tenant}.`,
  };
}

const ENDED_BY = {
  operator: 'An operator of this service ended',
  administrator: 'An administrator ended',
  score:
    'Somebody used one of your sessions in a way that looked like an attack. The attempt was blocked, and to be safe we ended',
} as const;

const RESET_BY = {
  operator: 'An operator of this service',
  administrator: 'An administrator',
} as const;

const describeReset = (by: keyof typeof RESET_BY, tenant: string) => ({
  subject: `Your second factors were removed: ${tenant}`,
  text: `${RESET_BY[by]} removed every second factor from your account at ${tenant}, and ended all your sessions there. Sign in, and enrol a second factor again.`,
});

const EXPIRED =
  'Your password no longer works, because somebody else may know it. Ask for a link for a new one where you sign in, or ask an operator of this service.';

/** The title and the first sentence of a notice about another password. */
const PASSWORD_REPLACED = {
  password_set: ['You have a new password', 'An operator of this service gave you a new password.'],
  password_changed: [
    'Your password was changed',
    'Somebody who is signed in to your account changed your password.',
  ],
  password_reset: [
    'Your password was changed',
    'Somebody set a new password for your account with a link or a code that was mailed to this address.',
  ],
} as const;

function describeAddress(kind: 'email_change_requested' | 'email_changed', tenant: string) {
  if (kind === 'email_change_requested') {
    return {
      subject: `A new e-mail address was asked for: ${tenant}`,
      text: `Somebody who is signed in to your account at ${tenant} asked to change its e-mail address. It changes if somebody confirms that from the new address within a day. If all your sessions end before that, it does not change.`,
    };
  }
  return {
    subject: `Your e-mail address was changed: ${tenant}`,
    text: `Your account at ${tenant} has another e-mail address now, and you sign in with that one, here and everywhere else that you use this account. This is the last mail to this address. If it was not you, an operator of this service can set your address back.`,
  };
}

function describe(notice: Notice, tenant: string): { subject: string; text: string } {
  switch (notice.kind) {
    case 'new_device':
      return {
        subject: `New device signed in: ${tenant}`,
        text: `Somebody signed in to your account at ${tenant} from a device that had not been used there before.`,
      };
    case 'reuse_detected':
      return {
        subject: `Your sessions were ended: ${tenant}`,
        text: `Somebody used an old copy of one of your sessions at ${tenant}. The session may have been stolen, so to be safe we ended all your sessions there. The cause can also be harmless, such as a program that was interrupted.`,
      };
    case 'factor_changed':
      return describeChange(notice.what, tenant);
    case 'factors_reset':
      return describeReset(notice.by, tenant);
    case 'login_blocked':
      return {
        subject: `Your sessions were ended: ${tenant}`,
        text: `Somebody who knows your password tried to sign in to your account at ${tenant} in a way that looked like an attack. The attempt was blocked, and to be safe we ended all your sessions there.`,
      };
    case 'recovery_code_used':
    case 'recovery_code_used_at_login':
      return {
        subject: `A recovery code was used: ${tenant}`,
        text: `Somebody used one of your recovery codes at ${tenant}${notice.kind === 'recovery_code_used' ? '' : ', after your password'}. That code cannot be used again.`,
      };
    case 'second_proof_failed':
      return {
        subject: `Wrong codes after your password: ${tenant}`,
        text: `Somebody entered your password for ${tenant}, and then several wrong codes. They could not sign in.`,
      };
    case 'account_guessed':
      return {
        subject: `Wrong passwords for your account: ${tenant}`,
        text: `Somebody entered many wrong passwords for your account. They could not sign in. For up to 15 minutes, nobody can sign in from a device or network that you have not used before. You can still sign in from your own devices and networks.`,
      };
    case 'account_closed':
      return {
        subject: `Sign-in from new devices is blocked: ${tenant}`,
        text: `Somebody entered too many wrong passwords for your account. Nobody can now sign in from a device or network that you have not used before. To unlock your account, sign in from a device or network that you have used before, or ask an operator of this service.`,
      };
    case 'factor_closed':
      return {
        subject: `Your second factor is locked: ${tenant}`,
        text: notice.begun
          ? `Somebody began to sign in with your second factor at ${tenant} and entered too many wrong codes. For now, nobody can begin to sign in with your second factor. To unlock it, sign in with your password from a device or network that you have used before, or ask an operator of this service.`
          : `Somebody entered too many wrong codes for your account at ${tenant}. For now, no codes are accepted. If they are still not accepted after 15 minutes, ask an operator of this service to unlock your account.`,
      };
    case 'password_set':
    case 'password_changed':
    case 'password_reset': {
      const [title, text] = PASSWORD_REPLACED[notice.kind];
      const ended =
        notice.kind === 'password_changed' ? 'All your other sessions' : 'All your sessions';
      return {
        subject: `${title}: ${tenant}`,
        text: `${text} The old one no longer works. ${ended} were ended, at ${tenant} and everywhere else that you use the same account.`,
      };
    }
    case 'email_change_requested':
    case 'email_changed':
      return describeAddress(notice.kind, tenant);
    case 'api_key_created':
      return {
        subject: `An API key was created: ${tenant}`,
        text: `Somebody who is signed in to your account at ${tenant} created an API key in your name: "${defuse(notice.name)}". A program with this key can use the permissions of yours that were given to it, until it is revoked.`,
      };
    case 'api_key_rotated':
      return {
        subject: `An API key was rotated: ${tenant}`,
        text: `Somebody who is signed in to your account at ${tenant} gave your API key "${defuse(notice.name)}" a new text. A program with this text can use the permissions of yours that were given to the key, until it is revoked.`,
      };
    case 'forced_logout':
      return {
        subject: `Your sessions were ended: ${tenant}`,
        text: `${ENDED_BY[notice.by]} all your sessions at ${tenant}.${notice.passwordExpired ? ` ${EXPIRED}` : ''}`,
      };
  }
}

const countries = new Intl.DisplayNames('en', { type: 'region' });

/** Some codes in address databases are not countries. */
function nameCountry(code: string | null): string {
  if (code === null || !/^[A-Z]{2}$/.test(code)) return 'unknown country';
  return `${countries.of(code) ?? code} (${code})`;
}

/** The client chooses the user agent. */
const defuse = (userAgent: string) => withoutLinks(userAgent, MOST_AGENT);

/** Describes place and device of the request; for an operator's command neither is known. */
export function describeOrigin({ actor, ip, country, userAgent }: NoticeFacts['ctx']): string[] {
  if (isOfOperators(actor)) return ['By:     an operator of this service'];
  return [
    `Where:  ${nameCountry(country)}, address ${ip ?? 'unknown'}`,
    `Device: ${userAgent === null ? 'unknown' : defuse(userAgent)}`,
  ];
}

const WAY_BACK = 'An operator of this service can give you a new password.';
/** A mail with a link shows that PUBLIC_URL is set, so a link for a new password can be mailed too. */
const RESET =
  'Then ask for a link for a new password where you sign in, or ask an operator of this service for one.';

/** Nobody signed in, and nobody showed a password or a session, so there is nothing to end. */
const NOBODY_CAME_IN: ReadonlySet<NoticeKind> = new Set(['account_guessed', 'account_closed']);

const nobodyCameIn = (notice: Notice) =>
  NOBODY_CAME_IN.has(notice.kind) || (notice.kind === 'factor_closed' && notice.begun === true);

function describeWayOut(notice: Notice, tenant: string, link: string | undefined): string[] {
  if (nobodyCameIn(notice)) {
    return [
      `If this was not you, make sure that you do not use this password anywhere else. If it happens again, tell an administrator of ${tenant}.`,
    ];
  }
  const ofPassword = isAboutPassword(notice.kind);
  const advice = `tell an administrator of ${tenant}`;
  if (link === undefined) {
    const known = ofPassword ? ` Somebody else knows your password. ${WAY_BACK}` : '';
    return [`If this was not you, sign out on all devices, and ${advice}.${known}`];
  }
  const ends = ofPassword
    ? `The button on that page also makes your password stop working, everywhere. ${RESET}`
    : 'Your next sign-in will then need a second proof, such as a code or a passkey.';
  return [
    'If this was not you, open this page and end all your sessions:',
    '',
    link,
    '',
    `${ends} The link works for ${LINK_DAYS} days. Please also ${advice}. If it was you, you do not need to do anything.`,
  ];
}

/**
 * Writes a notice: what happened, when, from which place and device, and what to do if it was
 * somebody else. Text that others have chosen (names, user agents) takes one line each, without
 * control characters.
 */
export function writeNotice(notice: Notice, facts: NoticeFacts): { subject: string; text: string } {
  const tenant = toLine(facts.tenantName, MOST_NAME);
  const { subject, text } = describe(notice, tenant);
  const when = facts.at.toISOString().slice(0, 19).replace('T', ' ');
  // The audit log names the administrator who acted; the mail does not.
  const by = 'by' in notice && notice.by === 'administrator';
  const lines = [
    text,
    '',
    `When:   ${when} UTC`,
    ...(by ? [] : describeOrigin(facts.ctx)),
    '',
    ...describeWayOut(notice, tenant, facts.link),
  ];
  return { subject, text: `${lines.join('\n')}\n` };
}
