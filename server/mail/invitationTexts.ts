import { toLine } from './plainText';

const MOST_NAME = 80;
/** Returns a time to the minute, for people: `2027-01-31 17:00 UTC`. */
export const inUtc = (at: Date): string => `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`;

/** Writes the mail with the link of an invitation. */
export function writeInvitation(facts: {
  tenantName: string;
  /** The inviter's address; undefined if an operator invited. */
  inviter: string | undefined;
  link: string;
  expiresAt: Date;
  /** Null if the membership has no end. */
  membershipEndsAt: Date | null;
}): { subject: string; text: string } {
  const tenant = toLine(facts.tenantName, MOST_NAME);
  const by = facts.inviter === undefined ? 'An operator of this service' : facts.inviter;
  const { membershipEndsAt: end } = facts;
  const until = end === null ? '' : ` until ${inUtc(end)}`;
  return {
    subject: `You are invited to ${tenant}`,
    text: `${by} has invited you to ${tenant}${until}. Open this page to accept:

${facts.link}

The link works once, until ${inUtc(facts.expiresAt)}. Do not pass it on: it proves that this address is yours.
If you did not expect the invitation, you need to do nothing.
`,
  };
}

/** Writes the mail with the code that proves an address. */
export function writeInvitationCode(facts: { tenantName: string; code: string; minutes: number }): {
  subject: string;
  text: string;
} {
  const tenant = toLine(facts.tenantName, MOST_NAME);
  return {
    subject: `Your code for ${tenant}`,
    text: `Your code to accept the invitation to ${tenant}:

  ${facts.code}

It works for ${facts.minutes} minutes, on the page of the invitation. Nobody from ${tenant} will ever ask you for this code.
If you did not ask for it, somebody else has a link that was meant for you. Do not give them the code, and tell an administrator of ${tenant}.
`,
  };
}
