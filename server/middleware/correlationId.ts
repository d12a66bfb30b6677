import { randomUUID } from 'node:crypto';
import type { RequestHandler } from 'express';
import { requestScope } from '../logger';

/** Anything else could split a header or forge a log line. */
const WELL_FORMED = /^[A-Za-z0-9._:-]{1,128}$/;

/** Takes over a well-formed `x-correlation-id`, else makes one; it is on the response and in every log line. */
export const correlationId: RequestHandler = (req, res, next) => {
  const given = req.headers['x-correlation-id'];
  const taken = typeof given === 'string' && WELL_FORMED.test(given) ? given : undefined;
  req.correlationId = taken ?? randomUUID();
  req.correlationIdIsClients = taken !== undefined;
  res.setHeader('x-correlation-id', req.correlationId);
  requestScope.run({ correlationId: req.correlationId }, next);
};
