import { AppError } from '../../errors';
import type { SsoDeps } from '../deps';

type AddressDeps = Pick<SsoDeps, 'config' | 'mail'>;

/** Returns the public address of this server; null in production if PUBLIC_URL is not set. */
function findPublicUrl({ mail, config }: AddressDeps): string | null {
  const nearby = config.production ? null : `http://localhost:${config.port}`;
  return mail.publicUrl ?? nearby;
}

/** @throws AppError SSO_UNAVAILABLE */
function publicUrlOf(deps: AddressDeps): string {
  const publicUrl = findPublicUrl(deps);
  if (publicUrl === null) throw new AppError('SSO_UNAVAILABLE');
  return publicUrl;
}

const CALLBACK = '/api/auth/sso/callback';

/**
 * Builds the address to which the provider of a connection sends browsers back. Each connection has
 * its own: with a shared one, a provider that sends no `iss` could answer in the name of another
 * (RFC 9700 4.4.2.2).
 * @returns null in production if PUBLIC_URL is not set
 */
export function findRedirectUri(deps: AddressDeps, connectionId: string): string | null {
  const publicUrl = findPublicUrl(deps);
  return publicUrl === null ? null : `${publicUrl}${CALLBACK}/${connectionId}`;
}

/** @throws AppError SSO_UNAVAILABLE where {@link findRedirectUri} returns null */
export const redirectUriOf = (deps: AddressDeps, connectionId: string): string =>
  `${publicUrlOf(deps)}${CALLBACK}/${connectionId}`;

/**
 * Returns the page of the product to which a browser goes from the callback. No part of the request
 * decides it, so nobody can be sent elsewhere.
 * @throws AppError SSO_UNAVAILABLE
 */
export function returnUrlOf(
  deps: AddressDeps,
  result: { sso: 'done' | 'refused'; kind?: 'try' | 'link' },
): string {
  const url = new URL(deps.config.ssoReturnUrl ?? publicUrlOf(deps));
  url.searchParams.set('sso', result.sso);
  if (result.kind !== undefined) url.searchParams.set('kind', result.kind);
  return url.href;
}
