/** One small page, alike for everybody: it needs no script, loads nothing, and names nobody. */
const page = (title: string, body: string) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<style>
body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 3rem auto; padding: 0 1rem; }
button { font: inherit; padding: 0.6rem 1.2rem; }
</style>
</head>
<body>
<h1>${title}</h1>
${body}
</body>
</html>
`;

/** Asks before anything happens; the form goes to the page's own address. */
export const ASK_PAGE = page(
  'End all your sessions?',
  `<p>If what the mail tells of was not you, press the button. Everybody who is signed in to your account there is
signed out at once, you too.</p>
<form method="post"><button type="submit">End all sessions</button></form>`,
);

export const DONE_PAGE = page(
  'All your sessions have ended',
  `<p>Nobody is signed in to your account there any more.</p>
<p>If somebody else was, they know your password: do not use it again, and tell an administrator, who can give you a new
password and a new second factor.</p>`,
);
