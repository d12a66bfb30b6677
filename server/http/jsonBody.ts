import { json } from 'express';
import type { Request, RequestHandler } from 'express';
import { AppError } from '../errors';
import { SCIM_JSON } from './scimDialect';

/** A parser, with the media types that it takes. The first one is that of its own. */
interface BodyParser {
  readonly types: readonly [string, ...string[]];
  readonly parse: RequestHandler;
}

const parserOf = (limit: string, ...types: [string, ...string[]]): BodyParser => ({
  types,
  parse: json({ limit, type: types, inflate: false }),
});
const ofObject = parserOf('64kb', 'application/json');
const ofBatch = parserOf('512kb', 'application/json');
const ofScim = parserOf('128kb', SCIM_JSON, 'application/json');

/**
 * The spellings of JSON's only charset (RFC 8259 8.1). `utf8` is not a registered name, but clients
 * send it.
 */
const UTF8 = /^utf-?8$/i;
const CHARSET = /;\s*charset\s*=\s*(?:"([^"]*)"|([^;\s]*))/gi;

/**
 * Returns whether a body of undeclared length is empty. Proxies forward a request without a body in
 * this form, for example from HTTP/2. A body that is not empty is discarded.
 */
function isEmpty(req: Request): Promise<boolean> {
  // A guard may have read this body before the route does, and found it empty.
  if (req.readableEnded) return Promise.resolve(true);
  return new Promise((resolve) => {
    const look = () => {
      if (req.read() === null) return;
      req.off('readable', look);
      // Discard the rest: unread bytes would block the next request on this connection.
      req.resume();
      resolve(false);
    };
    req.on('readable', look);
    req.once('end', () => resolve(true));
  });
}

/**
 * Asserts that a body is in UTF-8, and drops the charset from its type, because the parsers accept
 * only one spelling.
 * @throws AppError UNSUPPORTED_MEDIA_TYPE
 */
export function checkCharset(req: Request, type: string): void {
  const sent = req.headers['content-type'] ?? '';
  const named = [...sent.matchAll(CHARSET)].map(([, quoted, bare]) => quoted ?? bare ?? '');
  if (!named.every((charset) => UTF8.test(charset))) {
    throw new AppError('UNSUPPORTED_MEDIA_TYPE', { detail: 'Send the body in the charset utf-8.' });
  }
  if (named.length > 0) req.headers['content-type'] = type;
}

async function parseBody(
  { types, parse }: BodyParser,
  ...[req, res, next]: Parameters<RequestHandler>
): Promise<void> {
  const sent = req.is([...types]);
  if (sent) {
    checkCharset(req, sent);
    parse(req, res, next);
    return;
  }
  const chunked = req.headers['transfer-encoding'] !== undefined;
  const hasBody = chunked ? !(await isEmpty(req)) : Number(req.headers['content-length'] ?? 0) > 0;
  if (hasBody) {
    const detail = `Send the body as ${types[0]}.`;
    throw new AppError('UNSUPPORTED_MEDIA_TYPE', { detail });
  }
  next();
}

/**
 * Parses a JSON body. A body of another type is refused, not ignored. An empty body counts as no
 * body, whatever its type.
 */
export const jsonBody: RequestHandler = (req, res, next) => {
  // Guards call this too and do not await it. A rejected promise would end the process, so pass
  // every error to `next`.
  parseBody(ofObject, req, res, next).catch(next);
};

/** Does what {@link jsonBody} does for bodies of up to 512 kB. */
export const batchBody: RequestHandler = (req, res, next) => {
  parseBody(ofBatch, req, res, next).catch(next);
};

/** Does what {@link jsonBody} does for bodies of SCIM, of up to 128 kB. */
export const scimBody: RequestHandler = (req, res, next) => {
  parseBody(ofScim, req, res, next).catch(next);
};
