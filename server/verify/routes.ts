import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Kernel } from '../kernel';
import { content, page } from '../http/answers';
import { endpoint, get, named } from '../http/routeTable';
import type { Route } from '../http/routeTable';

/** Returns the page's own content security policy, which allows its one script and its one style by their hashes. */
const policyOf = (page: string): string =>
  /http-equiv="Content-Security-Policy"\s+content="([^"]*)"/.exec(page)?.[1] ??
  "default-src 'none'";

/**
 * Serves the verifier of evidence bundles to anyone: as a page, and as a script to download. Both are the same for
 * everybody and hold no one's data.
 */
export function verifyRoutes({ config }: Pick<Kernel, 'config'>): Route[] {
  const { verifierDir } = config;
  const verifyPage = endpoint({
    summary: 'A page that verifies evidence bundles in the browser and sends them nowhere',
    responses: { 200: page('The page') },
    errors: [],
    handle: async (_req, res) => {
      const html = await readFile(join(verifierDir, 'verify.html'), 'utf8');
      // `frame-ancestors` has no effect in a page's own markup, so it must be a header.
      res.setHeader('content-security-policy', `${policyOf(html)}; frame-ancestors 'none'`);
      res.type('html').send(html);
    },
  });
  const verifyScript = endpoint({
    summary: 'The verifier for a terminal: node verify.mjs FILE',
    responses: {
      200: content('An ES module for Node.js', ['text/javascript'], 'content-disposition'),
    },
    errors: [],
    handle: async (_req, res) => {
      const code = await readFile(join(verifierDir, 'verify.mjs'));
      res.attachment('verify.mjs').type('text/javascript').send(code);
    },
  });
  const routes = named({ verifyPage, verifyScript });
  return [get('/verify', [], routes.verifyPage), get('/verify.mjs', [], routes.verifyScript)];
}
