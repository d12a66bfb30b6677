import { STATUS_CODES } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { readAddress } from './clientAddress';
import type { Kernel } from '../kernel';
import { AppError } from '../errors';
import type { Exchange, Exchanges } from './exchanges';
import { writeErrorBody } from './errorHandler';

/**
 * How long a client may take to read a refusal. If the connection were closed at once, the kernel
 * would discard the answer.
 */
const LINGER_MS = 2000;

/** The first byte of a TLS handshake (RFC 8446 5.1). */
const TLS_HANDSHAKE = 0x16;

interface Waits {
  /**
   * How long a connection may stay open before its first byte, after node has reported it as late.
   */
  unusedMs: number;
  headersTimeout: number;
}

type ParserError = Error & { code?: string; rawPacket?: Buffer };

/**
 * Maps node's parser error to an error for the client.
 * @returns undefined for a fault of the connection itself: nobody can read an answer then
 */
function toAppError({ code = '', rawPacket }: ParserError): AppError | undefined {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new AppError('REQUEST_TIMEOUT');
  if (!code.startsWith('HPE_')) return undefined;
  if (code === 'HPE_HEADER_OVERFLOW') {
    const detail = 'The request line and the headers together may have at most 16 kB.';
    return new AppError('HEADERS_TOO_LARGE', { detail });
  }
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') return new AppError('PAYLOAD_TOO_LARGE');
  if (rawPacket?.[0] === TLS_HANDSHAKE) {
    return new AppError('MALFORMED_REQUEST', { detail: 'This port speaks plain HTTP, not TLS.' });
  }
  if (code === 'HPE_INVALID_METHOD') {
    return new AppError('MALFORMED_REQUEST', { detail: 'The method is unknown.' });
  }
  return new AppError('MALFORMED_REQUEST');
}

function writeAnswer(
  error: AppError,
  correlationId: string,
  { config }: Pick<Kernel, 'config'>,
): string {
  const [type, body] = writeErrorBody(error, correlationId);
  const headers: Record<string, string> = {
    ...error.headers,
    date: new Date().toUTCString(),
    'content-type': `${type}; charset=utf-8`,
    'content-length': String(Buffer.byteLength(body)),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'",
    ...(config.corsOrigins.length > 0 ? { vary: 'origin' } : {}),
    'x-correlation-id': correlationId,
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const statusLine = `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? ''}`;
  return [statusLine, ...lines, '', body].join('\r\n');
}

/** Resolves when the answers are sent, or the connection has closed. */
function whenAnswered(socket: Socket, exchanges: readonly Exchange[]): Promise<unknown> {
  const answered = exchanges.map(({ res }) => new Promise((resolve) => res.once('close', resolve)));
  const gone = new Promise((resolve) => socket.once('close', resolve));
  return Promise.race([Promise.all(answered), gone]);
}

function hangUp(socket: Socket, answer = ''): void {
  socket.end(answer);
  // Read and discard the remaining data.
  socket.resume();
  const overdue = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(overdue));
}

/**
 * Waits for a request on a connection that a balancer has opened in advance. Node reports it as a
 * late request, but it may wait as long as between two requests. Node checks it again only once a
 * request begins, and a line break does not begin one.
 * @param refuseLate called if bytes arrived that did not form a request
 */
function awaitRequest(
  socket: Socket,
  exchanges: Exchanges,
  { unusedMs, headersTimeout }: Waits,
  refuseLate: () => void,
): void {
  let timer = setTimeout(() => {
    if (exchanges.latest(socket)) return;
    if (socket.bytesRead === 0) {
      socket.destroy();
      return;
    }
    // The bytes may be the beginning of a request that came in time.
    timer = setTimeout(() => {
      if (!exchanges.latest(socket)) refuseLate();
    }, headersTimeout);
  }, unusedMs);
  socket.once('close', () => clearTimeout(timer));
}

/**
 * Answers requests that the HTTP parser refuses, and CONNECT, like every other error: with a
 * problem document and a correlation id, logged and counted. Nothing of the request is logged,
 * because it may hold secrets. An answer never overtakes an earlier one.
 */
export function refuseRequests(
  server: Server,
  exchanges: Exchanges,
  deps: Pick<Kernel, 'config' | 'logger' | 'metrics' | 'random'>,
  waits: Waits,
): void {
  const refused = new WeakSet<Socket>();

  async function refuse(socket: Socket, error: AppError, cause: string): Promise<void> {
    if (refused.has(socket)) return;
    refused.add(socket);
    // A request with a broken body is already in the application, and may even have been answered.
    const latest = exchanges.latest(socket);
    const broken = latest?.req.complete === false ? latest : undefined;
    const correlationId =
      (broken?.req as { correlationId?: string } | undefined)?.correlationId ?? deps.random.id();
    const { code, status } = error;
    deps.metrics.requestsRefused.inc({ code });
    const ip = readAddress(socket.remoteAddress);
    deps.logger.info({ correlationId, code, status, cause, ip }, 'request refused');
    const before = exchanges.of(socket).filter((exchange) => exchange !== broken);
    await whenAnswered(socket, before);
    if (socket.destroyed) return;
    if (broken?.res.headersSent) {
      if (!broken.res.closed) await whenAnswered(socket, [broken]);
      hangUp(socket);
      return;
    }
    hangUp(socket, writeAnswer(error, correlationId, deps));
  }

  server.on('clientError', (error: ParserError, stream) => {
    const socket = stream as Socket;
    const appError = toAppError(error);
    if (!appError || !socket.writable) {
      socket.destroy();
      return;
    }
    if (appError.code === 'REQUEST_TIMEOUT' && socket.bytesRead === 0) {
      awaitRequest(socket, exchanges, waits, () => void refuse(socket, appError, error.code ?? ''));
      return;
    }
    void refuse(socket, appError, error.code ?? '');
  });

  server.on('connect', (_req: IncomingMessage, stream) => {
    const socket = stream as Socket;
    // Node has removed its own listener.
    socket.on('error', () => socket.destroy());
    const headers = { allow: 'GET, HEAD, POST, PUT, DELETE' };
    void refuse(socket, new AppError('METHOD_NOT_ALLOWED', { headers }), 'CONNECT');
  });
}
