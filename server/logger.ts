import { AsyncLocalStorage } from 'node:async_hooks';
import { pino } from 'pino';
import type { DestinationStream, Logger, LoggerOptions } from 'pino';
import type { Config } from './config';

export type { Logger };

/** Holds the correlation id, for the logger alone: everything else is handed its context. */
export const requestScope = new AsyncLocalStorage<{ correlationId: string }>();

/** Belt and braces: nothing logs bodies or headers, and if something ever does, these stay out. */
const SECRET_FIELDS = [
  'password',
  'authorization',
  'cookie',
  'refreshToken',
  'accessToken',
  'code',
  'secret',
  'totpSecret',
  'challengeId',
].flatMap((field) => [
  `req.body.${field}`,
  `body.${field}`,
  `headers.${field}`,
  `*.headers.${field}`,
]);

/** JSON lines on stdout, each with the correlation id of the request that it belongs to. */
export function createLogger(
  config: Pick<Config, 'logLevel'>,
  destination: DestinationStream = pino.destination(1),
): Logger {
  const options: LoggerOptions = {
    level: config.logLevel,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: SECRET_FIELDS, censor: '[redacted]' },
    // A copy: pino writes the line's own fields into what it is given, and the next line would have them too.
    mixin: () => ({ ...requestScope.getStore() }),
    serializers: { err: describeError },
  };
  return pino(options, destination);
}

/** An error for the log: what and where, along its causes, without the parameters of a query. */
function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return { message: String(error) };
  const { code } = error as Error & { code?: unknown };
  return {
    type: error.name,
    // Drizzle puts the parameters of a failed query, which may be secrets, behind this word.
    message: error.message.split('\nparams:')[0],
    ...(typeof code === 'string' ? { code } : {}),
    stack: error.stack?.split('\nparams:')[0] === error.stack ? error.stack : undefined,
    ...(error.cause !== undefined && depth < 4
      ? { cause: describeError(error.cause, depth + 1) }
      : {}),
  };
}
