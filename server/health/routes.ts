import type { Request } from 'express';
import type { HealthDeps } from './deps';
import { AppError } from '../errors';
import { z } from 'zod';
import { content, json } from '../http/answers';
import { endpoint } from '../http/routeTable';
import { isSameSecret } from '../isSameSecret';
import { shareRuns } from '../shareRuns';
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

const check = z.object({
  ok: z.boolean(),
  reason: z.string().optional(),
  findings: z.array(z.string()).optional(),
});
const readiness = z
  .object({
    status: z.enum(['ready', 'not_ready']),
    checks: z
      .record(z.string(), check)
      .optional()
      .meta({ description: 'Only for callers with METRICS_TOKEN' }),
  })
  .meta({ id: 'Readiness' });

function readyEndpoint(deps: HealthDeps) {
  const note = createReadinessLog(deps);
  // Anybody may ask, and no rate limit counts it: however many ask, one look at a time is taken.
  const look = shareRuns(() => checkReadiness(deps));
  return endpoint({
    summary:
      'The process can serve: database, migrations, tables, keys. The reasons are shown with METRICS_TOKEN as bearer',
    responses: {
      200: json('Ready', readiness),
      503: json('Not ready', readiness),
    },
    errors: [],
    async handle(req, res) {
      const found = await look();
      note(found);
      const { status } = found;
      res.status(status === 'ready' ? 200 : 503);
      res.json(isOperator(deps, req) ? found : { status });
    },
  });
}

export const healthRoutes = (deps: HealthDeps) => ({
  live: endpoint({
    summary: 'The process answers',
    responses: {
      200: json('Alive', z.object({ status: z.literal('live'), version: z.string() })),
    },
    errors: [],
    handle(_req, res) {
      res.json({ status: 'live', version: deps.config.version });
    },
  }),
  ready: readyEndpoint(deps),
  metrics: endpoint({
    summary: 'Metrics in Prometheus text format; needs METRICS_TOKEN as bearer if it is set',
    responses: { 200: content('Metrics', ['text/plain']) },
    errors: ['NOT_FOUND: METRICS_TOKEN is missing or wrong'],
    async handle(req, res) {
      if (!isOperator(deps, req)) throw new AppError('NOT_FOUND');
      res.type(deps.metrics.registry.contentType).send(await deps.metrics.registry.metrics());
    },
  }),
});
