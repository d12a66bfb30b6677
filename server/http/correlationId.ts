import type { RequestHandler } from 'express';
import { requestScope } from '../logger';

/** Any other character could split a header or forge a log line. */
const WELL_FORMED = /^[A-Za-z0-9._:-]{1,128}$/;

/** Returns whether a text can be a correlation id. */
export const isWellFormed = (text: string): boolean => WELL_FORMED.test(text);

/**
 * Uses the client's `x-correlation-id` if it is well-formed, otherwise creates one. It is added to
 * the response and to every log line.
 */
export const correlationId: RequestHandler = (req, res, next) => {
  const given = req.headers['x-correlation-id'];
  const taken = typeof given === 'string' && isWellFormed(given) ? given : undefined;
  req.correlationId = taken ?? req.services.random.id();
  req.correlationIdIsClients = taken !== undefined;
  res.setHeader('x-correlation-id', req.correlationId);
  requestScope.run({ correlationId: req.correlationId }, next);
};
