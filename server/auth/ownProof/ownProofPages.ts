import { plainPage } from '../../http/plainPage';

/** The page that asks for the confirmation. Its form posts to the page's own address. */
export const ASK_OWN_PROOF_PAGE = plainPage(
  'Is this you?',
  `<p>If you have just asked for this link, in a session that you opened yourself, press the button. That session may then see
and change what belongs to your account in every organisation.</p>
<p>If you did not ask for it, close this page. Somebody else may be signed in as you: tell an administrator.</p>
<form method="post"><button type="submit">Yes, it is me</button></form>`,
);

/** The page after the proof was noted. */
export const OWN_PROOF_DONE_PAGE = plainPage(
  'It is noted that this is you',
  '<p>The session in which you asked for the link goes on. You can close this page.</p>',
);

/** The page for a link that does not work. It is the same for every cause. */
export const DEAD_OWN_PROOF_PAGE = plainPage(
  'This link does not work',
  '<p>It was used, it is older than 15 minutes, a newer one was sent, or the session has ended. Ask for a new link where you are signed in.</p>',
);
