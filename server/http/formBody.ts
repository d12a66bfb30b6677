import { urlencoded } from 'express';
import type { RequestHandler } from 'express';
import { checkCharset, jsonBody } from './jsonBody';

export const FORM = 'application/x-www-form-urlencoded';

/** Large enough for the longest password with every byte percent-encoded, and few fields. */
const parse = urlencoded({
  extended: false,
  limit: '16kb',
  parameterLimit: 4,
  inflate: false,
  type: FORM,
});

/**
 * Parses the body of an HTML form, or a JSON body as {@link jsonBody} does. Use it only for a route
 * to which a page of this server posts, or that a standard wants to take forms (RFC 7662), and that
 * uses no cookie: a page of another site can send a form.
 */
export const formOrJsonBody: RequestHandler = (req, res, next) => {
  if (!req.is(FORM)) return jsonBody(req, res, next);
  checkCharset(req, FORM);
  return parse(req, res, next);
};
