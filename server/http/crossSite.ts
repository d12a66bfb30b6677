import type { Request } from 'express';

/**
 * Returns whether a browser treats this connection's cookies as secure. Production always runs
 * behind TLS, even if the connection to this process is plain HTTP.
 */
export const isSecure = (req: Request): boolean => req.services.config.production || req.secure;

function isOwnOrigin(req: Request, origin: string): boolean {
  const { mail, webauthn, corsOrigins } = req.services.config;
  // The URL may have the path of a gateway, but an origin has no path.
  const published = mail.publicUrl === undefined ? [] : [new URL(mail.publicUrl).origin];
  const own = `${isSecure(req) ? 'https' : 'http'}://${req.headers.host ?? ''}`;
  return [own, ...published, ...(webauthn?.origins ?? []), ...corsOrigins].includes(origin);
}

/**
 * Returns whether a page of another site made this request, in which case its cookies are ignored.
 * Browsers set Sec-Fetch-Site and Origin themselves and pages cannot change them; other clients
 * send neither.
 */
export function isCrossSite(req: Request): boolean {
  const site = req.headers['sec-fetch-site'];
  if (site === 'same-origin' || site === 'none') return false;
  const { origin } = req.headers;
  if (origin !== undefined) return !isOwnOrigin(req, origin);
  return site !== undefined;
}
