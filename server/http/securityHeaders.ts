import type { RequestHandler } from 'express';
import helmet from 'helmet';

const overTls = helmet();
/** Demanding TLS on a server without TLS would break every page that is opened over plain HTTP. */
const overPlainHttp = helmet({
  strictTransportSecurity: false,
  contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } },
});

/**
 * Sets the headers that limit what a browser does with an answer. HSTS and
 * `upgrade-insecure-requests` are only set if this connection is secure, or a trusted proxy sends
 * `X-Forwarded-Proto: https`.
 */
export const securityHeaders: RequestHandler = (req, res, next) =>
  (req.secure ? overTls : overPlainHttp)(req, res, next);
