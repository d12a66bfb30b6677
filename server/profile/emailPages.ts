import { plainPage } from '../http/plainPage';

/** The page that asks for the confirmation. Its form posts to the page's own address. */
export const ASK_PAGE = plainPage(
  'Use this e-mail address?',
  `<p>If you asked to change the address of your account to this one, press the button. From then on you sign in with
this address. If you did not ask for it, close this page.</p>
<form method="post"><button type="submit">Use this address</button></form>`,
);

export const DONE_PAGE = plainPage(
  'Your e-mail address was changed',
  '<p>From now on you sign in with this address, and mails go to it. You can close this page.</p>',
);
