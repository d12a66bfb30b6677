import { plainPage } from '../../http/plainPage';
import type { PasswordObjection } from './passwordPolicy';

const FORM = `<form method="post">
<p><label for="password">New password</label><br>
<input id="password" name="newPassword" type="password" autocomplete="new-password" required></p>
<button type="submit">Set the password</button>
</form>`;

const HINT =
  'A long sentence that you can remember is a good password. Use it nowhere else. When it is set, all your sessions end everywhere, and you sign in with it.';

/** The page with the form. Its form posts to the page's own address. */
export const RESET_PAGE = plainPage('Choose a new password', `<p>${HINT}</p>\n${FORM}`);

/** Returns the same page with the reasons for which a password was refused. */
export const refusedPage = (reasons: readonly PasswordObjection[]): string =>
  plainPage(
    'Choose another password',
    `<ul>${reasons.map(({ message }) => `<li>${message}</li>`).join('')}</ul>\n<p>${HINT}</p>\n${FORM}`,
  );

/** The page after the password was set. */
export const RESET_DONE_PAGE = plainPage(
  'Your password is set',
  '<p>All your sessions have ended. Sign in with the new password. If you have a second factor, keep it ready.</p>',
);

/** The page for a link that does not work. It is the same for every cause. */
export const DEAD_LINK_PAGE = plainPage(
  'This link does not work',
  '<p>It was used, it is older than 20 minutes, or a newer one was sent. Ask for a new link, and open the newest mail.</p>',
);
