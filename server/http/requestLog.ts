import type { Socket } from 'node:net';
import type { Request, RequestHandler, Response } from 'express';
import type { Kernel } from '../kernel';
import { clientAddressOf } from './setClientAddress';

const openOn = new WeakMap<Socket, Set<() => void>>();

/**
 * Calls `report` once the whole answer is sent or its connection has ended. A pipelined answer that
 * waits for its turn does not emit `close` in the second case.
 */
function onceOver(req: Request, res: Response, report: () => void): void {
  const { socket } = req;
  let open = openOn.get(socket);
  if (!open) {
    const waiting = new Set<() => void>();
    // One listener per connection, however many requests it carries.
    socket.once('close', () => {
      for (const over of waiting) over();
    });
    openOn.set(socket, (open = waiting));
  }
  const all = open;
  const over = () => {
    if (all.delete(over)) report();
  };
  all.add(over);
  res.once('close', over);
}

/**
 * Logs one line per request, with the route's pattern and never the query, the headers or the body.
 */
export function requestLog({
  logger,
  metrics,
}: Pick<Kernel, 'logger' | 'metrics'>): RequestHandler {
  // These lines hold only the fields below. Searching them for secrets would take longer than
  // writing them.
  const lines = logger.child({}, { redact: [] });
  return (req, res, next) => {
    const startedAt = process.hrtime.bigint();
    onceOver(req, res, () => {
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
          ...(res.locals['rateLimited']
            ? { rateLimited: res.locals['rateLimited'] as string[] }
            : {}),
          ...(res.writableFinished ? {} : { aborted: true }),
        },
        'request',
      );
    });
    next();
  };
}
