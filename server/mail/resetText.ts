import type { RequestContext } from '../context';
import { describeOrigin } from './noticeTexts';

/**
 * Writes the mail with a link for a new password. It names no tenant: the password is the person's
 * own, in all of them.
 */
export function writeResetMail(facts: {
  link: string;
  at: Date;
  minutes: number;
  /** The request that asked for the link. */
  ctx: Pick<RequestContext, 'actor' | 'ip' | 'country' | 'userAgent'>;
}): { subject: string; text: string } {
  const { link, at, minutes, ctx } = facts;
  const when = at.toISOString().slice(0, 19).replace('T', ' ');
  const lines = [
    'Somebody asked for a new password for the account with this address. To choose one, open this page:',
    '',
    link,
    '',
    `The link works once, for ${minutes} minutes, and only until a newer one is sent.`,
    '',
    `When:   ${when} UTC`,
    ...describeOrigin(ctx),
    '',
    'If this was not you, you need to do nothing: your password stays as it is. Never give the link to anybody.',
  ];
  return { subject: 'Choose a new password', text: `${lines.join('\n')}\n` };
}
