import { json } from 'express';
import type { Request, RequestHandler } from 'express';
import { AppError } from '../errors';

const parse = json({ limit: '64kb', type: 'application/json', inflate: false });

/** The spellings of the one charset of JSON (RFC 8259 8.1); `utf8` is no registered name, but clients send it. */
const UTF8 = /^utf-?8$/i;
const CHARSET = /;\s*charset\s*=\s*(?:"([^"]*)"|([^;\s]*))/gi;

/**
 * Whether a body whose length was not declared turns out to have none. Proxies forward a request without a body in this
 * form, for instance from HTTP/2. A body that is not empty is thrown away.
 */
function isEmpty(req: Request): Promise<boolean> {
  // A guard may have read the same body before the route does, and found it empty.
  if (req.readableEnded) return Promise.resolve(true);
  return new Promise((resolve) => {
    const look = () => {
      if (req.read() === null) return;
      req.off('readable', look);
      // Unread bytes would hold up the next request on this connection.
      req.resume();
      resolve(false);
    };
    req.on('readable', look);
    req.once('end', () => resolve(true));
  });
}

function checkCharset(req: Request): void {
  const type = req.headers['content-type'] ?? '';
  const named = [...type.matchAll(CHARSET)].map(([, quoted, bare]) => quoted ?? bare ?? '');
  if (!named.every((charset) => UTF8.test(charset))) {
    throw new AppError('UNSUPPORTED_MEDIA_TYPE', { detail: 'The charset of JSON is utf-8.' });
  }
  // The parser knows one spelling.
  if (named.length > 0) req.headers['content-type'] = 'application/json';
}

async function parseBody(...[req, res, next]: Parameters<RequestHandler>): Promise<void> {
  if (req.is('application/json')) {
    checkCharset(req);
    parse(req, res, next);
    return;
  }
  const chunked = req.headers['transfer-encoding'] !== undefined;
  const hasBody = chunked ? !(await isEmpty(req)) : Number(req.headers['content-length'] ?? 0) > 0;
  if (hasBody) throw new AppError('UNSUPPORTED_MEDIA_TYPE');
  next();
}

/** Parses a JSON body; a body of another type is refused, not ignored. An empty body is none, whatever its type. */
export const jsonBody: RequestHandler = (req, res, next) => {
  // Guards call this too, and would not wait: an error must never leave it as a rejected promise, which ends the process.
  parseBody(req, res, next).catch(next);
};
