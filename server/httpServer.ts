import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createApp } from './createApp';
import type { Deps } from './deps';
import { followExchanges } from './exchanges';
import type { Exchanges } from './exchanges';
import type { Logger } from './logger';
import { refuseRequests } from './refuseRequests';

/** Node looks for late requests at this interval at most; a short limit is looked at more often. */
const LONGEST_CHECK_MS = 5000;
/** How long requests that are under way may take once no new ones are accepted. */
const FINISH_MS = 20_000;
/** A connection that is kept alive goes idle only after the request that it carries now. */
const SWEEP_MS = 100;

export interface HttpServer {
  server: Server;
  /** Accepts nothing new, lets the requests that are under way finish, and closes every connection. */
  close(): Promise<void>;
}

async function close(server: Server, exchanges: Exchanges, logger: Logger): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  const closeIdle = () => {
    server.closeIdleConnections();
    // To node a connection that was never used is not idle: it would hold up the end.
    for (const socket of exchanges.unused()) socket.destroy();
  };
  closeIdle();
  const sweep = setInterval(closeIdle, SWEEP_MS);
  const overdue = setTimeout(() => {
    logger.warn({ requests: exchanges.all().length }, 'cutting off requests that take too long');
    server.closeAllConnections();
  }, FINISH_MS);
  await closed;
  clearInterval(sweep);
  clearTimeout(overdue);
}

/** Once the node is stopping, each answer asks the client to open its next connection elsewhere. */
function sayClose({ drain }: Pick<Deps, 'drain'>, server: Server, exchanges: Exchanges): void {
  const say = (res: ServerResponse) => {
    if (!res.headersSent) res.setHeader('connection', 'close');
  };
  server.on('request', (_req: IncomingMessage, res) => {
    if (drain.begun()) say(res);
  });
  drain.onBegin(() => exchanges.all().forEach(({ res }) => say(res)));
}

/**
 * The server in front of the application. A request has to arrive whole within `REQUEST_TIMEOUT_SEC`, its headers within
 * `HEADERS_TIMEOUT_SEC`: a client that sends a byte now and then holds a connection no longer than that. Both run from the first
 * byte of a request, so that a connection may be idle for `KEEP_ALIVE_TIMEOUT_SEC` before its first request and between two,
 * whatever the other two are. How long an answer takes is not limited here.
 */
export function createHttpServer(deps: Deps): HttpServer {
  const { requestTimeoutSec, headersTimeoutSec, keepAliveTimeoutSec } = deps.config;
  const requestTimeout = requestTimeoutSec * 1000;
  const headersTimeout = Math.min(headersTimeoutSec * 1000, requestTimeout);
  const keepAliveTimeout = keepAliveTimeoutSec * 1000;
  const server = createServer({
    requestTimeout,
    headersTimeout,
    keepAliveTimeout,
    connectionsCheckingInterval: Math.min(LONGEST_CHECK_MS, headersTimeout / 2),
    // Node would answer without a correlation id; the application refuses such a request.
    requireHostHeader: false,
  });
  const exchanges = followExchanges(server);
  refuseRequests(server, exchanges, deps, Math.max(0, keepAliveTimeout - headersTimeout));
  sayClose(deps, server, exchanges);
  server.on('request', createApp(deps));
  // Node would answer 417 by itself; the application does, with a body.
  server.on('checkExpectation', (req, res) => server.emit('request', req, res));
  return { server, close: () => close(server, exchanges, deps.logger) };
}
