import { isAboutPassword } from '../mail';
import type { NoticeKind } from '../audit';
import { plainPage } from '../http/plainPage';

const ask = (consequence: string) =>
  plainPage(
    'End all your sessions?',
    `<p>If you did not do what the mail describes, press the button. Everybody who is signed in to that account is
signed out at once, including you. ${consequence}</p>
<form method="post"><button type="submit">End all sessions</button></form>`,
  );

const done = (next: string) =>
  plainPage(
    'All your sessions have ended',
    `<p>Nobody is signed in to that account any more.</p>
<p>${next}</p>`,
  );

const ASK_PAGE = ask('Your next sign-in needs a second proof.');
const ASK_PAGE_OF_PASSWORD = ask(
  'Your password stops working everywhere. Then ask for a link for a new one where you sign in, or ask an operator of this service for one.',
);
const DONE_PAGE = done(
  'Your next sign-in needs a second proof. Tell an administrator what happened.',
);
const DONE_PAGE_OF_PASSWORD = done(
  `Somebody else knows your password, so it no longer works, in any organisation that you sign in to with it. Tell an
administrator what happened. For a new password, ask for a link where you sign in, or ask an operator of this service.`,
);

/** Returns the page that asks for confirmation. Its form posts to the page's own address. */
export const askPage = (kind: NoticeKind): string =>
  isAboutPassword(kind) ? ASK_PAGE_OF_PASSWORD : ASK_PAGE;

/** Returns the page that reports what was done and what to do next. */
export const donePage = (kind: NoticeKind): string =>
  isAboutPassword(kind) ? DONE_PAGE_OF_PASSWORD : DONE_PAGE;
