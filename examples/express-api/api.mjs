// The API of a small product: the projects of each tenant, kept in memory. Gatehouse says who asks.
import { randomUUID } from 'node:crypto';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import express from 'express';
import { createGuard } from 'gatehouse/guard';
import { openReports } from './events.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const client = join(here, '..', '..', 'dist', 'client', 'gatehouse.js');
const MOST_PROJECTS = 100;

/** The page may run its own script, and send requests to this API and to Gatehouse. */
const headersFor = (gatehouseUrl) => ({
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    'img-src data:',
    `connect-src 'self' ${new URL(gatehouseUrl).origin}`,
    "form-action 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
});

/** Returns a name without spaces around it; undefined if it cannot be used. */
function nameIn(body) {
  const name = typeof body?.name === 'string' ? body.name.trim() : '';
  return /^[^\p{C}]{1,60}$/u.test(name) ? name : undefined;
}

const answerMissing = (res) =>
  res.status(404).json({ error: 'NOT_FOUND', detail: 'There is no such project.' });

/** Answers that a change was not made, because it could not be recorded. */
function answerUnrecorded(res, error) {
  console.error(`Not recorded: ${error.message}`);
  res.status(503).set('retry-after', '5').json({
    error: 'NOT_RECORDED',
    detail: 'Nothing was changed, because the audit log could not be written. Try again.',
  });
}

/** The routes of the projects. Each one names what a caller needs, in its own line. */
function projectRoutes(guard, report) {
  const { requirePermission, consumeStepUp } = guard.express;
  /** By the id of the tenant, and then by the id of the project. */
  const tenants = new Map();
  const projectsOf = ({ tenantId }) => {
    if (!tenants.has(tenantId)) tenants.set(tenantId, new Map());
    return tenants.get(tenantId);
  };
  /** Records a change before it is made. A change that nobody can see later is not made. */
  const record = (action, req, { id, name }) => {
    const { tenantId, staffId } = guard.principalOf(req);
    return report({
      action,
      tenant: tenantId,
      actor: { staffId },
      subject: `project:${id}`,
      occurredAt: new Date().toISOString(),
      address: req.ip,
      details: { name },
    });
  };
  // A project of another tenant is not found, as if it did not exist.
  const mustExist = (req, res, next) => {
    if (projectsOf(guard.principalOf(req)).has(req.params.id)) return next();
    return answerMissing(res);
  };
  /**
   * Takes a project out, for one of two requests at once: the other one must not record a deletion
   * too. With a database this is DELETE … RETURNING, in a transaction that is committed after the event.
   */
  const take = (req) => {
    const projects = projectsOf(guard.principalOf(req));
    const project = projects.get(req.params.id);
    projects.delete(req.params.id);
    return project;
  };
  const routes = express.Router();

  routes.get('/', requirePermission('app:projects.view'), (req, res) => {
    const principal = guard.principalOf(req);
    const { tenant, email, name } = principal;
    res.json({ tenant, person: name ?? email, projects: [...projectsOf(principal).values()] });
  });

  routes.post('/', requirePermission('app:projects.create'), express.json(), async (req, res) => {
    const projects = projectsOf(guard.principalOf(req));
    const name = nameIn(req.body);
    if (name === undefined || projects.size >= MOST_PROJECTS) {
      const detail =
        name === undefined
          ? 'The name must be one line of 1 to 60 characters.'
          : `A tenant can have ${MOST_PROJECTS} projects.`;
      return res.status(400).json({ error: 'INVALID_INPUT', detail });
    }
    const project = { id: randomUUID(), name };
    try {
      await record('app.project.created', req, project);
    } catch (error) {
      return answerUnrecorded(res, error);
    }
    projects.set(project.id, project);
    return res.status(201).json(project);
  });

  // The proof is for this project alone, and is used up: deleting another one asks again.
  routes.delete(
    '/:id',
    requirePermission('app:projects.delete'),
    mustExist,
    consumeStepUp('app:delete_project'),
    async (req, res) => {
      const project = take(req);
      // Somebody else may have deleted it while Gatehouse was asked.
      if (!project) return answerMissing(res);
      try {
        await record('app.project.deleted', req, project);
      } catch (error) {
        projectsOf(guard.principalOf(req)).set(project.id, project);
        return answerUnrecorded(res, error);
      }
      return res.status(204).end();
    },
  );
  return routes;
}

/** Answers what went wrong without saying how the program works. */
function answerError(error, _req, res, next) {
  if (res.headersSent) return next(error);
  const status = error.status >= 400 && error.status < 500 ? error.status : 500;
  if (status === 500) console.error(error);
  return res.status(status).json({ error: status === 500 ? 'INTERNAL' : 'INVALID_INPUT' });
}

/**
 * Builds the API and its page.
 * @returns the Express app, and a function that ends the guard's connection to Gatehouse
 */
export function openApi({ gatehouseUrl, serviceKey }) {
  const guard = createGuard({
    url: gatehouseUrl,
    serviceKey,
    onProblem: (problem) => console.error(`Guard: ${problem.message}`),
  });
  const headers = headersFor(gatehouseUrl);
  const app = express();
  app.disable('x-powered-by');
  app.use((_req, res, next) => {
    res.set(headers);
    next();
  });
  app.get('/config.json', (_req, res) => res.json({ gatehouseUrl }));
  app.get('/gatehouse.js', (_req, res) => res.sendFile(client));
  app.use('/api/projects', projectRoutes(guard, openReports({ gatehouseUrl, serviceKey })));
  app.use(express.static(join(here, 'public'), { cacheControl: false }));
  app.use((_req, res) => res.status(404).json({ error: 'NOT_FOUND' }));
  app.use(answerError);
  return { app, close: () => guard.close() };
}
