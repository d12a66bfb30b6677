import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Response } from 'express';
import type { Kernel } from '../kernel';
import { endpoint, get } from '../http/routeTable';
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
  const file = (path: string, summary: string, source: string, type: string) =>
    get(
      path,
      [],
      endpoint({
        summary,
        responses: { 200: type },
        handle: (_req, res) => send(res, source, type),
      }),
    );
  const { examplesDir, clientFile } = config;
  const page = endpoint({
    summary: 'The example page',
    responses: {
      200: 'html',
      302: 'Redirects /demo/, under which relative addresses of the page would not work',
    },
    async handle(req, res) {
      if (req.path.endsWith('/')) res.redirect('../demo');
      else await send(res, join(examplesDir, 'index.html'), 'html');
    },
  });
  return [
    get('/demo', [], page),
    file('/demo/demo.js', 'Its script', join(examplesDir, 'demo.js'), 'js'),
    file('/demo/demo.css', 'Its style', join(examplesDir, 'demo.css'), 'css'),
    file('/demo/gatehouse.js', 'The browser client', clientFile, 'js'),
  ];
}
