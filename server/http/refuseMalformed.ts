import type { Request, RequestHandler } from 'express';
import { AppError } from '../errors';

/** RFC 9112 3.2 requires exactly one Host header. HTTP/1.0, which old probes use, has none. */
function hasOneHost({ headersDistinct, httpVersion }: Request): boolean {
  const hosts = headersDistinct['host']?.length ?? 0;
  return hosts === 1 || (hosts === 0 && httpVersion === '1.0');
}

/** Refuses requests that node's parser accepts although they are not valid HTTP/1.1 or 1.0. */
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
  const { expect } = req.headers;
  if (expect !== undefined && expect.toLowerCase() !== '100-continue') {
    throw new AppError('EXPECTATION_FAILED');
  }
  next();
};
