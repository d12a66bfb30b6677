import type { Kernel } from '../kernel';
import { endpoint, get } from '../http/routeTable';
import type { Route } from '../http/routeTable';

/**
 * Returns the route of the page at `/` in development: a browser is redirected to the example page
 * if there is one, other clients get a list of links. In production there is no such page.
 */
export function startPageRoutes({ config }: Pick<Kernel, 'config'>): Route[] {
  if (config.nodeEnv !== 'development') return [];
  const demo = config.mode === 'embedded' ? '/demo' : undefined;
  const links = { api: '/openapi.json', verify: '/verify', health: '/health/ready' };
  const page = endpoint({
    summary: 'The start page in development',
    responses: { 200: 'What is here', 302: 'Redirects a browser to the example page' },
    handle(req, res) {
      if (demo !== undefined && req.accepts(['json', 'html']) === 'html') {
        // Relative, because a gateway may serve Gatehouse below a path that it does not know.
        res.redirect(demo.slice(1));
        return;
      }
      res.json({ name: 'gatehouse', version: config.version, ...(demo ? { demo } : {}), ...links });
    },
  });
  return [get('/', [], page)];
}
