import type { Request, RequestHandler } from 'express';
import { AppError } from '../errors';
import { SERVICE_KEY } from './authenticate';

/** RFC 9112 3.2 requires exactly one Host header. HTTP/1.0, which old probes use, has none. */
function hasOneHost({ headersDistinct, httpVersion }: Request): boolean {
  const hosts = headersDistinct['host']?.length ?? 0;
  return hosts === 1 || (hosts === 0 && httpVersion === '1.0');
}

const ASKED_BY_GATEWAYS = /^\/api\/forward-auth(?:\/|$)/i;

/**
 * Returns whether a gateway's question arrived at a path that does not answer it. Envoy appends the
 * path of its client to the path of the question. If a proxy between Envoy and this server resolves
 * the dot segments of a client's path, the question becomes a request for another path, and Envoy
 * would take its 200 for a yes.
 */
const isStrayQuestion = ({ headers, path }: Request): boolean =>
  headers[SERVICE_KEY] !== undefined && !ASKED_BY_GATEWAYS.test(path);

/**
 * Refuses stray questions, and requests that node's parser accepts although they are not valid
 * HTTP/1.1 or 1.0.
 */
export const refuseMalformed: RequestHandler = (req, res, next) => {
  const detail = !/^1\.[01]$/.test(req.httpVersion)
    ? 'The version must be HTTP/1.1 or HTTP/1.0.'
    : hasOneHost(req)
      ? undefined
      : 'There must be one Host header.';
  if (detail !== undefined) {
    // Close the connection: a proxy in front may split these bytes into other requests than we do.
    res.setHeader('connection', 'close');
    throw new AppError('MALFORMED_REQUEST', { detail });
  }
  if (isStrayQuestion(req)) {
    const detail = `Only the questions of gateways have ${SERVICE_KEY}.`;
    throw new AppError('MALFORMED_REQUEST', { detail });
  }
  const { expect } = req.headers;
  if (expect !== undefined && expect.toLowerCase() !== '100-continue') {
    throw new AppError('EXPECTATION_FAILED');
  }
  next();
};
