import { json } from 'express';
import type { RequestHandler } from 'express';
import { AppError } from '../errors';

const parse = json({ limit: '64kb', type: 'application/json', inflate: false });

/** Parses a JSON body; a body of another type is refused, not ignored. */
export const jsonBody: RequestHandler = (req, res, next) => {
  const hasBody =
    req.headers['transfer-encoding'] !== undefined ||
    Number(req.headers['content-length'] ?? 0) > 0;
  if (hasBody && !req.is('application/json')) throw new AppError('UNSUPPORTED_MEDIA_TYPE');
  parse(req, res, next);
};
