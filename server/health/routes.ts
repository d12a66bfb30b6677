import { timingSafeEqual } from 'node:crypto';
import type { Request } from 'express';
import type { Deps } from '../deps';
import { AppError } from '../errors';
import { endpoint } from '../routeTable';
import { checkReadiness } from './checkReadiness';

function mayReadMetrics(deps: Deps, req: Request): boolean {
  const { metricsToken, production } = deps.config;
  if (metricsToken === undefined) return !production;
  const given = Buffer.from(req.headers.authorization ?? '');
  const expected = Buffer.from(`Bearer ${metricsToken}`);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

export const healthRoutes = (deps: Deps) => ({
  live: endpoint({
    summary: 'The process answers',
    responses: { 200: 'Alive' },
    handle(_req, res) {
      res.json({ status: 'live', version: deps.config.version });
    },
  }),
  ready: endpoint({
    summary: 'The process can serve: database, migrations, tables, keys',
    responses: { 200: 'Ready', 503: 'Not ready, with the reasons' },
    async handle(_req, res) {
      const readiness = await checkReadiness(deps);
      res.status(readiness.status === 'ready' ? 200 : 503).json(readiness);
    },
  }),
  metrics: endpoint({
    summary: 'Metrics in Prometheus text format; METRICS_TOKEN as bearer where one is set',
    responses: { 200: 'Metrics', 404: 'NOT_FOUND' },
    async handle(req, res) {
      if (!mayReadMetrics(deps, req)) throw new AppError('NOT_FOUND');
      res.type(deps.metrics.registry.contentType).send(await deps.metrics.registry.metrics());
    },
  }),
});
