import type { Request } from 'express';
import { depsOf } from './request';

/** Whether a browser keeps this connection's cookies as secure ones: production is behind TLS, whatever reaches us. */
export const isSecure = (req: Request): boolean => depsOf(req).config.production || req.secure;

function isOwnOrigin(req: Request, origin: string): boolean {
  const { mail, webauthn, corsOrigins } = depsOf(req).config;
  // It may have the path of a gateway, and an origin has none.
  const published = mail.publicUrl === undefined ? [] : [new URL(mail.publicUrl).origin];
  const own = `${isSecure(req) ? 'https' : 'http'}://${req.headers.host ?? ''}`;
  return [own, ...published, ...(webauthn?.origins ?? []), ...corsOrigins].includes(origin);
}

/**
 * Whether a browser says that another site's page made this request: its cookies then count for nothing. Browsers set
 * Sec-Fetch-Site and Origin themselves, pages cannot; a client that is no browser sends neither.
 */
export function isCrossSite(req: Request): boolean {
  const site = req.headers['sec-fetch-site'];
  if (site === 'same-origin' || site === 'none') return false;
  const { origin } = req.headers;
  if (origin !== undefined) return !isOwnOrigin(req, origin);
  return site !== undefined;
}
