import type { Request } from 'express';
import type { HealthDeps } from './deps';
import { AppError } from '../errors';
import { endpoint } from '../http/routeTable';
import { isSameSecret } from '../isSameSecret';
import { checkReadiness } from './checkReadiness';
import type { Readiness } from './checkReadiness';

const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;

/**
 * Returns whether the caller may see details: it sends METRICS_TOKEN; or no token is set, this is
 * not production, and the connection comes from this machine.
 */
function isOperator({ config }: Pick<HealthDeps, 'config'>, req: Request): boolean {
  const { metricsToken, production } = config;
  if (metricsToken === undefined) {
    return !production && LOOPBACK.test(req.socket.remoteAddress ?? '');
  }
  return isSameSecret(req.headers.authorization ?? '', `Bearer ${metricsToken}`);
}

/** Logs the reasons whenever the status changes, for operators who cannot see them in the body. */
function createReadinessLog({ logger }: Pick<HealthDeps, 'logger'>) {
  let last: Readiness['status'] | undefined;
  return ({ status, checks }: Readiness): void => {
    if (status === last) return;
    if (status === 'not_ready') logger.warn({ checks }, 'not ready');
    else if (last !== undefined) logger.info('ready again');
    last = status;
  };
}

function readyEndpoint(deps: HealthDeps) {
  const note = createReadinessLog(deps);
  return endpoint({
    summary:
      'The process can serve: database, migrations, tables, keys. The reasons are shown with METRICS_TOKEN as bearer',
    responses: { 200: 'Ready', 503: 'Not ready' },
    async handle(req, res) {
      const readiness = await checkReadiness(deps);
      note(readiness);
      const { status } = readiness;
      res.status(status === 'ready' ? 200 : 503);
      res.json(isOperator(deps, req) ? readiness : { status });
    },
  });
}

export const healthRoutes = (deps: HealthDeps) => ({
  live: endpoint({
    summary: 'The process answers',
    responses: { 200: 'Alive' },
    handle(_req, res) {
      res.json({ status: 'live', version: deps.config.version });
    },
  }),
  ready: readyEndpoint(deps),
  metrics: endpoint({
    summary: 'Metrics in Prometheus text format; needs METRICS_TOKEN as bearer if it is set',
    responses: { 200: 'Metrics', 404: 'NOT_FOUND' },
    async handle(req, res) {
      if (!isOperator(deps, req)) throw new AppError('NOT_FOUND');
      res.type(deps.metrics.registry.contentType).send(await deps.metrics.registry.metrics());
    },
  }),
});
