import type { Response } from 'express';
import type { Kernel } from '../kernel';
import { z } from 'zod';
import { content, json } from '../http/answers';
import { endpoint, get, named } from '../http/routeTable';
import type { Route } from '../http/routeTable';

/**
 * Returns the route of the page at `/` in development: a browser is redirected to the example page
 * if there is one, other clients get a list of links. In production there is no such page.
 */
export function startPageRoutes({ config }: Pick<Kernel, 'config'>): Route[] {
  if (config.nodeEnv !== 'development') return [];
  const demo = config.mode === 'embedded' ? '/demo' : undefined;
  const links = { api: '/openapi.json', verify: '/verify', health: '/health/ready' };
  const startPage = endpoint({
    summary: 'The start page in development',
    responses: {
      200: json('The name, the version and links', z.record(z.string(), z.string())),
      302: content(
        'Redirects a browser to the example page',
        ['text/plain', 'text/html'],
        'location',
      ),
    },
    errors: [],
    handle(req, res: Response) {
      if (demo !== undefined && req.accepts(['json', 'html']) === 'html') {
        // Relative, because a gateway may serve Gatehouse below a path that it does not know.
        res.redirect(demo.slice(1));
        return;
      }
      res.json({ name: 'gatehouse', version: config.version, ...(demo ? { demo } : {}), ...links });
    },
  });
  return [get('/', [], named({ startPage }).startPage)];
}
