import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Response } from 'express';
import type { Kernel } from '../kernel';
import { content, page } from '../http/answers';
import { endpoint, get, named } from '../http/routeTable';
import type { Route } from '../http/routeTable';

/** Nothing inline and nothing from other origins; the page needs no more than this. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src data: 'self'",
  "connect-src 'self'",
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

async function send(res: Response, path: string, type: string): Promise<void> {
  const content = await readFile(path);
  res.setHeader('content-security-policy', POLICY);
  res.type(type).send(content);
}

/**
 * Returns the routes of the example page. It exists only with the embedded database, for people who
 * try Gatehouse out.
 */
export function demoRoutes({ config }: Pick<Kernel, 'config'>): Route[] {
  if (config.mode !== 'embedded') return [];
  const file = (summary: string, source: string, type: 'js' | 'css') =>
    endpoint({
      summary,
      responses: { 200: content(summary, [type === 'js' ? 'text/javascript' : 'text/css']) },
      errors: [],
      handle: (_req, res) => send(res, source, type),
    });
  const { examplesDir, clientFile } = config;
  const demo = named({
    demoPage: endpoint({
      summary: 'The example page',
      responses: {
        200: page('The page'),
        302: content(
          'Redirects /demo/, under which relative addresses of the page would not work',
          ['text/plain', 'text/html'],
          'location',
        ),
      },
      errors: [],
      async handle(req, res) {
        if (req.path.endsWith('/')) res.redirect('../demo');
        else await send(res, join(examplesDir, 'index.html'), 'html');
      },
    }),
    demoScript: file('The script of the example page', join(examplesDir, 'demo.js'), 'js'),
    demoStyle: file('The style of the example page', join(examplesDir, 'demo.css'), 'css'),
    demoClient: file('The browser client', clientFile, 'js'),
  });
  return [
    get('/demo', [], demo.demoPage),
    get('/demo/demo.js', [], demo.demoScript),
    get('/demo/demo.css', [], demo.demoStyle),
    get('/demo/gatehouse.js', [], demo.demoClient),
  ];
}
