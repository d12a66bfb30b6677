import type { AppError } from '../errors';
import { escapeHtml, plainPage } from '../http/plainPage';
import { inUtc, toLine } from '../mail';
import type { InvitationPreview } from './invitationLink';
import type { AcceptedInvitation } from './acceptInvitation';

/** The result of the last request, for a page. */
export interface PageNews {
  /** The error of it; its text is shown above the form. */
  error?: string;
  /** A code was mailed. */
  codeSent?: boolean;
}

const MOST_NAME = 200;

/** Shows a tenant's name on one line: its marks must not reverse the text around it. */
const nameOf = ({ name }: { name: string }) => escapeHtml(toLine(name, MOST_NAME));

const field = (label: string, input: string) => `<p><label>${label}<br>\n${input}</label></p>`;

const NAME = field(
  'Your name (optional)',
  '<input name="name" autocomplete="name" maxlength="100">',
);
const CODE = field(
  'The code that was mailed to you',
  '<input name="code" inputmode="numeric" autocomplete="one-time-code" required>',
);
const PASSWORD = field(
  'Password',
  '<input name="password" type="password" autocomplete="new-password" required>',
);

/** The same text for everybody, so that it does not reveal whether the person exists already. */
const WHICH_PASSWORD =
  '<p>If you have no account on this service yet, or one without a password, choose a password. If you have a password for this address, enter it: it stays as it is.</p>';

const form = (fields: readonly string[], button: string) =>
  `<form method="post">\n${fields.join('\n')}\n<p>${button}</p>\n</form>`;

/** Returns the page of an open invitation. Its forms post to the page's own address. */
export function invitationPage(
  { tenant, email, needsCode, membershipEndsAt }: InvitationPreview,
  { error, codeSent }: PageNews = {},
): string {
  const news = [
    ...(error === undefined ? [] : [`<p role="alert"><strong>${escapeHtml(error)}</strong></p>`]),
    ...(codeSent ? ['<p role="status">A code was sent to your address.</p>'] : []),
  ];
  const ask = form([], '<button type="submit" name="step" value="code">Mail me a code</button>');
  const accept = form(
    [...(needsCode ? [CODE] : []), NAME, WHICH_PASSWORD, PASSWORD],
    '<button type="submit" name="step" value="accept">Accept the invitation</button>',
  );
  const title = `You are invited to ${nameOf(tenant)}`;
  const until =
    membershipEndsAt === null ? '' : ` Your membership will end at ${inUtc(membershipEndsAt)}.`;
  const intro = `<p>This invitation is for ${escapeHtml(email)}.${until}</p>`;
  return plainPage(title, [intro, ...news, ...(needsCode ? [ask] : []), accept].join('\n'));
}

/** Returns the page after an invitation was accepted. */
export const acceptedPage = ({ tenant, email }: AcceptedInvitation): string =>
  plainPage(
    `You are a member of ${nameOf(tenant)}`,
    `<p>Sign in as ${escapeHtml(email)}, at the organisation <strong>${escapeHtml(tenant.slug)}</strong>.</p>`,
  );

/** Returns the page for a link that cannot be used. */
export const endedPage = (error: AppError): string =>
  error.code === 'INVITATION_EXPIRED'
    ? plainPage(
        'This invitation has expired',
        '<p>Ask the person who invited you to send it again.</p>',
      )
    : plainPage(
        'This link cannot be used',
        '<p>The invitation was accepted, revoked or sent again, or the link is incomplete.</p>',
      );
