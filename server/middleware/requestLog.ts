import type { RequestHandler } from 'express';
import { depsOf } from './request';

/** One line a request, with the route's pattern and never the query, the headers or the body. */
export const requestLog: RequestHandler = (req, res, next) => {
  const startedAt = process.hrtime.bigint();
  res.once('close', () => {
    const { logger, metrics } = depsOf(req);
    const seconds = Number(process.hrtime.bigint() - startedAt) / 1e9;
    const route = (res.locals['route'] as string | undefined) ?? 'unmatched';
    const status = res.statusCode;
    metrics.requests.observe({ method: req.method, route, status: String(status) }, seconds);
    logger.info(
      {
        correlationId: req.correlationId,
        method: req.method,
        route,
        status,
        ms: Math.round(seconds * 1e4) / 10,
        ip: req.ip,
        ...(res.writableFinished ? {} : { aborted: true }),
      },
      'request',
    );
  });
  next();
};
