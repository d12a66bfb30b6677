import { AsyncLocalStorage } from 'node:async_hooks';
import { pino } from 'pino';
import type { DestinationStream, Logger, LoggerOptions } from 'pino';
import type { Config } from './config';

export type { Logger };

/** Holds the correlation id for the logger only; all other code gets its context as a parameter. */
export const requestScope = new AsyncLocalStorage<{ correlationId: string }>();

/**
 * A second safeguard: nothing logs bodies or headers, but if something ever does, these fields are
 * redacted.
 */
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

/**
 * Creates a logger that writes JSON lines to stdout, each with the correlation id of its request.
 */
export function createLogger(
  config: Pick<Config, 'logLevel'>,
  destination: DestinationStream = pino.destination(1),
): Logger {
  const options: LoggerOptions = {
    level: config.logLevel,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: SECRET_FIELDS, censor: '[redacted]' },
    // Return a copy: pino writes the line's fields into this object, and the next line would
    // contain them too.
    mixin: () => ({ ...requestScope.getStore() }),
    serializers: { err: describeError },
  };
  return pino(options, destination);
}

/** Describes an error and its causes for the log, without the parameters of a query. */
function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return { message: String(error) };
  const { code } = error as Error & { code?: unknown };
  return {
    type: error.name,
    // Drizzle appends the parameters of a failed query, which may be secrets, after this word.
    message: error.message.split('\nparams:')[0],
    ...(typeof code === 'string' ? { code } : {}),
    stack: error.stack?.split('\nparams:')[0] === error.stack ? error.stack : undefined,
    ...(error.cause !== undefined && depth < 4
      ? { cause: describeError(error.cause, depth + 1) }
      : {}),
  };
}
