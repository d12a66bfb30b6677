import type { Request, RequestHandler } from 'express';
import { AppError } from '../errors';

/** RFC 9112 3.2: exactly one Host, but for HTTP/1.0, which old probes speak and which has none. */
function hasOneHost({ headersDistinct, httpVersion }: Request): boolean {
  const hosts = headersDistinct['host']?.length ?? 0;
  return hosts === 1 || (hosts === 0 && httpVersion === '1.0');
}

/** Refuses what node's parser lets pass, although it is no valid request of HTTP/1.1 or 1.0. */
export const refuseMalformed: RequestHandler = (req, res, next) => {
  const detail = !/^1\.[01]$/.test(req.httpVersion)
    ? 'The version must be HTTP/1.1 or HTTP/1.0.'
    : hasOneHost(req)
      ? undefined
      : 'There must be one Host header.';
  if (detail !== undefined) {
    // A proxy in front may see other requests in these bytes than we do.
    res.setHeader('connection', 'close');
    throw new AppError('MALFORMED_REQUEST', { detail });
  }
  const { expect } = req.headers;
  if (expect !== undefined && expect.toLowerCase() !== '100-continue') {
    throw new AppError('EXPECTATION_FAILED');
  }
  next();
};
