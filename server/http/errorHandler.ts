import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express';
import { ZodError } from 'zod';
import { databaseFault } from '../db/pgErrors';
import type { DatabaseFault } from '../db/pgErrors';
import { AppError, ERRORS } from '../errors';
import { answerGateway } from './gatewayAnswer';
import { SCIM_JSON, speaksScim, toScimError } from './scimDialect';

/** The error types of body-parser. */
const BODY_ERRORS: Readonly<Record<string, ConstructorParameters<typeof AppError>[0]>> = {
  'entity.parse.failed': 'MALFORMED_JSON',
  'entity.verify.failed': 'MALFORMED_JSON',
  'entity.too.large': 'PAYLOAD_TOO_LARGE',
  'charset.unsupported': 'UNSUPPORTED_MEDIA_TYPE',
  'encoding.unsupported': 'UNSUPPORTED_MEDIA_TYPE',
};

/**
 * Maps a database fault to an error. If the fault is temporary, the request has lost nothing, and
 * `Retry-After` gives the time to wait.
 */
function fromDatabaseFault(fault: DatabaseFault, cause: unknown): AppError {
  switch (fault) {
    case 'unavailable':
    case 'read_only':
      return new AppError('DATABASE_UNAVAILABLE', { headers: { 'retry-after': '5' }, cause });
    case 'conflict':
      return new AppError('DATABASE_UNAVAILABLE', { headers: { 'retry-after': '1' }, cause });
    case 'missing_table':
    case 'missing_column':
      return new AppError('SCHEMA_UNAVAILABLE', { headers: { 'retry-after': '30' }, cause });
    case 'unique_violation':
      return new AppError('CONFLICT', { cause });
    case 'foreign_key_violation':
    case 'bad_data':
      return new AppError('INVALID_INPUT', { cause });
  }
}

/** zod names a missing field only by the type of its value. */
function describeIssue({ code, path, message }: ZodError['issues'][number]): string {
  if (code !== 'invalid_type' || !message.endsWith('received undefined')) return message;
  return path.length === 0 ? 'the body must be given' : 'must be given';
}

function fromZod(error: ZodError): AppError {
  const issues = error.issues.map((issue) => ({
    path: issue.path.join('.'),
    message: describeIssue(issue),
  }));
  return new AppError('INVALID_INPUT', { detail: 'Some fields are not valid.', extra: { issues } });
}

function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  if (error instanceof ZodError) return fromZod(error);
  const { type, status } = (error ?? {}) as { type?: unknown; status?: unknown };
  const bodyError = typeof type === 'string' ? BODY_ERRORS[type] : undefined;
  if (bodyError) return new AppError(bodyError);
  const fault = databaseFault(error);
  if (fault) return fromDatabaseFault(fault, error);
  // Express's own errors about a request, for example a path that cannot be decoded.
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new AppError('INVALID_INPUT');
  }
  return new AppError('INTERNAL_ERROR', { cause: error });
}

function report(req: Request, error: AppError): void {
  const { logger, schemaGuard } = req.services;
  const line = { err: error.cause ?? error, code: error.code, correlationId: req.correlationId };
  if (error.status === 500) logger.error(line, error.code);
  else if (error.status >= 500) logger.warn(line, error.code);
  if (error.code === 'SCHEMA_UNAVAILABLE') schemaGuard.checkTables().catch(() => undefined);
}

/**
 * Writes an error body; no other code does. Errors with a fixed contract keep their body, those
 * of SCIM follow RFC 7644, and all others RFC 9457.
 * @param path the path of the request
 * @returns the media type and the text
 */
export function writeErrorBody(
  error: AppError,
  correlationId: string,
  path = '/',
): [string, string] {
  const { title, fixed } = ERRORS[error.code];
  if (speaksScim(path)) return [SCIM_JSON, JSON.stringify(toScimError(error, title))];
  if (fixed) return ['application/json', JSON.stringify({ error: error.code, ...error.extra })];
  const problem = {
    type: `urn:gatehouse:error:${error.code}`,
    title,
    status: error.status,
    ...(error.detail === undefined ? {} : { detail: error.detail }),
    error: error.code,
    correlationId,
    ...error.extra,
  };
  return ['application/problem+json', JSON.stringify(problem)];
}

function send(req: Request, res: Response, error: AppError): void {
  for (const [name, value] of Object.entries(error.headers)) res.setHeader(name, value);
  const [type, body] = writeErrorBody(error, req.correlationId, req.path);
  const status = answerGateway(req, res, error.code, body) ?? error.status;
  res.status(status).type(type).send(body);
}

export const errorHandler: ErrorRequestHandler = (error: unknown, req, res, _next) => {
  const appError = toAppError(error);
  report(req, appError);
  if (res.headersSent) {
    // A part of the answer is already sent. Breaking the connection is the only way to show that it
    // is incomplete.
    res.destroy();
    return;
  }
  send(req, res, appError);
};

export const notFound: RequestHandler = () => {
  throw new AppError('NOT_FOUND');
};

/** Answers a known path with another method: RFC 9110 15.5.6. */
export function methodNotAllowed(allowed: string): RequestHandler {
  return () => {
    throw new AppError('METHOD_NOT_ALLOWED', { headers: { allow: allowed } });
  };
}
