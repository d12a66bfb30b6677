import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Express } from 'express';
import type { Kernel } from '../kernel';
import { followExchanges } from './exchanges';
import type { Exchanges } from './exchanges';
import type { Logger } from '../logger';
import { SECOND_MS } from '../durations';
import type { HttpParts } from './deps';
import { refuseRequests } from './refuseRequests';

/**
 * The longest interval at which node looks for late requests; short timeouts are checked more
 * often.
 */
const LONGEST_CHECK_MS = 5000;
/** How long requests in progress may take once no new ones are accepted. */
const FINISH_MS = 20_000;
/**
 * Connections are checked repeatedly, because a kept-alive one becomes idle only after its current
 * request.
 */
const SWEEP_MS = 100;
/**
 * How many sweeps a connection without any bytes may stay: one that was just accepted may be about
 * to send a request.
 */
const UNUSED_SWEEPS = 2;
/**
 * How many sweeps a connection may stay after its last bytes: they may be a part of a request, or
 * only line breaks.
 */
const SILENT_SWEEPS = 20;

type HttpDeps = Pick<Kernel, 'config' | 'logger' | 'metrics' | 'random'> & Pick<HttpParts, 'drain'>;

export interface HttpServer {
  server: Server;
  /**
   * Stops accepting connections, lets the requests in progress finish, and closes every connection.
   */
  close(): Promise<void>;
}

/**
 * Creates a sweep for connections without a request. Node does not count them as idle, so they
 * would delay the end.
 * @returns a function that closes those that have been silent for a while
 */
function createSilenceSweep(exchanges: Exchanges): () => void {
  const seen = new WeakMap<Socket, { bytes: number; sweeps: number }>();
  return () => {
    for (const socket of exchanges.withoutRequest()) {
      const bytes = socket.bytesRead;
      const before = seen.get(socket);
      const sweeps = before?.bytes === bytes ? before.sweeps + 1 : 1;
      seen.set(socket, { bytes, sweeps });
      if (sweeps > (bytes === 0 ? UNUSED_SWEEPS : SILENT_SWEEPS)) socket.destroy();
    }
  };
}

async function close(server: Server, exchanges: Exchanges, logger: Logger): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  const closeSilent = createSilenceSweep(exchanges);
  const closeIdle = () => {
    server.closeIdleConnections();
    closeSilent();
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

/** Once the node is stopping, asks each client to open its next connection elsewhere. */
function sayClose({ drain }: HttpDeps, server: Server, exchanges: Exchanges): void {
  const say = (res: ServerResponse) => {
    if (!res.headersSent) res.setHeader('connection', 'close');
  };
  const take = (res: ServerResponse) => {
    if (!res.headersSent) res.removeHeader('connection');
  };
  // The connection ends with the answer that carries the header, so only the last pipelined answer
  // may have it; otherwise requests behind it would be lost.
  const sayOn = (socket: Socket) => {
    const carried = exchanges.of(socket);
    const last = carried.at(-1);
    carried.slice(0, -1).forEach(({ res }) => take(res));
    if (last) say(last.res);
  };
  server.on('request', ({ socket }: IncomingMessage) => {
    if (drain.begun()) sayOn(socket);
  });
  drain.onBegin(() => new Set(exchanges.all().map(({ req }) => req.socket)).forEach(sayOn));
}

/**
 * Creates the server in front of the application. A request must arrive completely within
 * `REQUEST_TIMEOUT_SEC` and its headers within `HEADERS_TIMEOUT_SEC`, so a client that sends single
 * bytes cannot hold a connection longer. Both times start at the first byte of a request, so a
 * connection may be idle for `KEEP_ALIVE_TIMEOUT_SEC` before its first request and between two. The
 * duration of an answer is not limited here.
 */
export function createHttpServer(deps: HttpDeps, app: Express): HttpServer {
  const { requestTimeoutSec, headersTimeoutSec, keepAliveTimeoutSec } = deps.config;
  const requestTimeout = requestTimeoutSec * SECOND_MS;
  const headersTimeout = Math.min(headersTimeoutSec * SECOND_MS, requestTimeout);
  const keepAliveTimeout = keepAliveTimeoutSec * SECOND_MS;
  const server = createServer({
    requestTimeout,
    headersTimeout,
    keepAliveTimeout,
    connectionsCheckingInterval: Math.min(LONGEST_CHECK_MS, headersTimeout / 2),
    // Node would answer without a correlation id; the application refuses such a request itself.
    requireHostHeader: false,
  });
  // Node would silently drop headers beyond 2000, and a second Host with them. The limit of 16 kB
  // applies anyway.
  server.maxHeadersCount = 0;
  const exchanges = followExchanges(server);
  const unusedMs = Math.max(0, keepAliveTimeout - headersTimeout);
  refuseRequests(server, exchanges, deps, { unusedMs, headersTimeout });
  sayClose(deps, server, exchanges);
  server.on('request', app);
  // Node would answer 417 without a body; the application sends one.
  server.on('checkExpectation', (req, res) => server.emit('request', req, res));
  return { server, close: () => close(server, exchanges, deps.logger) };
}
