import type { RequestContext } from '../context';
import { describeOrigin } from './noticeTexts';
import { toLine } from './plainText';

const MOST_NAME = 80;

/** Writes the mail with a link by which a person proves that a session is theirs. */
export function writeOwnProofMail(facts: {
  link: string;
  at: Date;
  minutes: number;
  /** The tenant whose provider has signed somebody in. */
  tenantName: string;
  /** The request that asked for the link. */
  ctx: Pick<RequestContext, 'actor' | 'ip' | 'country' | 'userAgent'>;
}): { subject: string; text: string } {
  const { link, at, minutes, ctx } = facts;
  const tenant = toLine(facts.tenantName, MOST_NAME);
  const when = at.toISOString().slice(0, 19).replace('T', ' ');
  const lines = [
    `Somebody who is signed in to ${tenant} says that the account with this address is theirs, and wants to see or change what belongs to the account in every organisation.`,
    '',
    'If you asked for this a moment ago, open this page and confirm it:',
    '',
    link,
    '',
    `The link works once, for ${minutes} minutes, and only until a newer one is sent or that session ends.`,
    '',
    `When:   ${when} UTC`,
    ...describeOrigin(ctx),
    '',
    'If this was not you, do not open the link, and give it to nobody: whoever is signed in there would be able to change your address. Tell an administrator what happened.',
  ];
  return { subject: `Confirm that you are signed in to ${tenant}`, text: `${lines.join('\n')}\n` };
}
