import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { readAddress } from './clientAddress';
import type { Deps } from './deps';
import { AppError } from './errors';
import type { Exchange, Exchanges } from './exchanges';
import { writeErrorBody } from './middleware/errorHandler';

/** How long a client may take to read a refusal. To close at once would have the kernel throw the answer away. */
const LINGER_MS = 2000;

/** The first byte of a TLS handshake (RFC 8446 5.1). */
const TLS_HANDSHAKE = 0x16;

interface Waits {
  /** How long a connection may stay open before its first byte, once node has counted it as late. */
  unusedMs: number;
  headersTimeout: number;
}

type ParserError = Error & { code?: string; rawPacket?: Buffer };

/**
 * Node's name for what was wrong with a request.
 * @returns undefined for trouble with the connection itself: nobody is there to read an answer
 */
function toAppError({ code = '', rawPacket }: ParserError): AppError | undefined {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new AppError('REQUEST_TIMEOUT');
  if (!code.startsWith('HPE_')) return undefined;
  if (code === 'HPE_HEADER_OVERFLOW') {
    const detail = 'The request line and the headers may have 16 kB together.';
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
  { config }: Pick<Deps, 'config'>,
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

/** Kept when the answers are sent, or nobody is there to read them. */
function whenAnswered(socket: Socket, exchanges: readonly Exchange[]): Promise<unknown> {
  const answered = exchanges.map(({ res }) => new Promise((resolve) => res.once('close', resolve)));
  const gone = new Promise((resolve) => socket.once('close', resolve));
  return Promise.race([Promise.all(answered), gone]);
}

function hangUp(socket: Socket, answer = ''): void {
  socket.end(answer);
  // What still comes is read and thrown away.
  socket.resume();
  const overdue = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(overdue));
}

/**
 * A balancer opened it for later: node counts it as a request that began. It may wait as long as one between requests.
 * Node looks at it again only once a request begins, and a line break begins none.
 * @param refuseLate called if bytes came that made no request
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
    // They may be the beginning of a request that came in time.
    timer = setTimeout(() => {
      if (!exchanges.latest(socket)) refuseLate();
    }, headersTimeout);
  }, unusedMs);
  socket.once('close', () => clearTimeout(timer));
}

/**
 * Answers what the HTTP parser refuses, and CONNECT, as every other error is answered: with a problem document and a correlation
 * id, logged and counted. Nothing of the request is logged: it may hold secrets. An answer never overtakes one that is due before.
 */
export function refuseRequests(
  server: Server,
  exchanges: Exchanges,
  deps: Pick<Deps, 'config' | 'logger' | 'metrics'>,
  waits: Waits,
): void {
  const refused = new WeakSet<Socket>();

  async function refuse(socket: Socket, error: AppError, cause: string): Promise<void> {
    if (refused.has(socket)) return;
    refused.add(socket);
    // A request whose body is broken is with the application already, and may even be answered.
    const latest = exchanges.latest(socket);
    const broken = latest?.req.complete === false ? latest : undefined;
    const correlationId =
      (broken?.req as { correlationId?: string } | undefined)?.correlationId ?? randomUUID();
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
    // Node has taken its own listener away.
    socket.on('error', () => socket.destroy());
    const headers = { allow: 'GET, HEAD, POST, PUT, DELETE' };
    void refuse(socket, new AppError('METHOD_NOT_ALLOWED', { headers }), 'CONNECT');
  });
}
