import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
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
/** How many sweeps a connection on which nothing came may stay: one that was accepted last may be about to ask. */
const UNUSED_SWEEPS = 2;
/** As many, if bytes came and no more do: they may be half a request, or line breaks, which are none. */
const SILENT_SWEEPS = 20;

export interface HttpServer {
  server: Server;
  /** Accepts nothing new, lets the requests that are under way finish, and closes every connection. */
  close(): Promise<void>;
}

/**
 * To node a connection without a request is not idle: it would hold up the end.
 * @returns a sweep that closes those on which nothing more came for a while
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

/** Once the node is stopping, each answer asks the client to open its next connection elsewhere. */
function sayClose({ drain }: Pick<Deps, 'drain'>, server: Server, exchanges: Exchanges): void {
  const say = (res: ServerResponse) => {
    if (!res.headersSent) res.setHeader('connection', 'close');
  };
  const take = (res: ServerResponse) => {
    if (!res.headersSent) res.removeHeader('connection');
  };
  // The connection ends with the answer that says so: of the requests that it carries already, none is lost.
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
  // Node would drop those beyond 2000 in silence, and a second Host with them. 16 kB bound them anyway.
  server.maxHeadersCount = 0;
  const exchanges = followExchanges(server);
  const unusedMs = Math.max(0, keepAliveTimeout - headersTimeout);
  refuseRequests(server, exchanges, deps, { unusedMs, headersTimeout });
  sayClose(deps, server, exchanges);
  server.on('request', createApp(deps));
  // Node would answer 417 by itself; the application does, with a body.
  server.on('checkExpectation', (req, res) => server.emit('request', req, res));
  return { server, close: () => close(server, exchanges, deps.logger) };
}
