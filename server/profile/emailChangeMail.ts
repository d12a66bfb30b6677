import { toLine } from '../mail';

const MOST_NAME = 80;

/** The mail to a new address that nobody has: its link confirms the change. */
export const confirmationMail = (tenantName: string, link: string) => {
  const tenant = toLine(tenantName, MOST_NAME);
  return {
    subject: `Confirm your new e-mail address: ${tenant}`,
    text: `Somebody asked to use this address for their account at ${tenant}. If it was you, open this page and confirm it:

${link}

The link works once, for a day. If it was not you, you need to do nothing.
`,
  };
};

/** The mail to an address that somebody has already: there is nothing to confirm. */
export const takenMail = (tenantName: string) => {
  const tenant = toLine(tenantName, MOST_NAME);
  return {
    subject: `This e-mail address is already in use: ${tenant}`,
    text: `Somebody asked to use this address for their account at ${tenant}, but another account has it already. Nothing was changed.

If it was you, sign in with the account that has this address. If it was not you, you need to do nothing.
`,
  };
};
