import type { RequestHandler } from 'express';
import helmet from 'helmet';

const overTls = helmet();
/** To ask for TLS where there is none would break each page that is opened over plain HTTP. */
const overPlainHttp = helmet({
  strictTransportSecurity: false,
  contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } },
});

/**
 * Sets the headers that bound what a browser does with an answer. HSTS and `upgrade-insecure-requests` are there only if this
 * connection, or a trusted proxy's with `X-Forwarded-Proto: https`, is secure.
 */
export const securityHeaders: RequestHandler = (req, res, next) =>
  (req.secure ? overTls : overPlainHttp)(req, res, next);
