import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { createApp } from './createApp';
import type { Deps } from './deps';

/** Node looks for late requests at this interval at most; a short limit is looked at more often. */
const LONGEST_CHECK_MS = 5000;

/**
 * The server in front of the application. A request has to arrive whole within `REQUEST_TIMEOUT_SEC`, its headers within
 * `HEADERS_TIMEOUT_SEC`: a client that sends a byte now and then holds a connection no longer than that. How long an answer
 * takes is not limited here.
 */
export function createHttpServer(deps: Deps): Server {
  const { requestTimeoutSec, headersTimeoutSec } = deps.config;
  const requestTimeout = requestTimeoutSec * 1000;
  const headersTimeout = Math.min(headersTimeoutSec * 1000, requestTimeout);
  const connectionsCheckingInterval = Math.min(LONGEST_CHECK_MS, headersTimeout / 2);
  return createServer(
    { requestTimeout, headersTimeout, connectionsCheckingInterval },
    createApp(deps),
  );
}
