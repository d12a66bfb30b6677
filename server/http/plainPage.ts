import type { Response } from 'express';

/**
 * Renders a small page for people in a browser. It needs no script and loads nothing, so the
 * content security policy of the API holds for it too.
 * @param title plain text
 * @param body HTML; the caller escapes everything that others have chosen
 */
export const plainPage = (title: string, body: string): string => `<!doctype html>
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

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Returns a text as HTML that shows it, in an element or in a quoted attribute. */
export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');

/** Sends a page of {@link plainPage}; search engines must not index it. */
export function sendPage(res: Response, page: string): void {
  res.setHeader('x-robots-tag', 'noindex, nofollow');
  res.type('html').send(page);
}
