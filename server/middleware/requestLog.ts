import type { RequestHandler } from 'express';
import type { Deps } from '../deps';
import { clientAddressOf } from './clientAddress';

/** One line a request, with the route's pattern and never the query, the headers or the body. */
export function requestLog({ logger, metrics }: Pick<Deps, 'logger' | 'metrics'>): RequestHandler {
  // These lines hold the fields named below and nothing else: to look for secrets in them would take longer
  // than to write them.
  const lines = logger.child({}, { redact: [] });
  return (req, res, next) => {
    const startedAt = process.hrtime.bigint();
    res.once('close', () => {
      const seconds = Number(process.hrtime.bigint() - startedAt) / 1e9;
      const route = (res.locals['route'] as string | undefined) ?? 'unmatched';
      const status = res.statusCode;
      metrics.requests.observe({ method: req.method, route, status: String(status) }, seconds);
      lines.info(
        {
          correlationId: req.correlationId,
          method: req.method,
          route,
          status,
          ms: Math.round(seconds * 1e4) / 10,
          ip: clientAddressOf(req).ip,
          ...(res.writableFinished ? {} : { aborted: true }),
        },
        'request',
      );
    });
    next();
  };
}
