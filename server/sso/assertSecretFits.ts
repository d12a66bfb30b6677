import { AppError } from '../errors';
import type { ConnectionColumns } from '../ssoConnections';

type Client = Pick<ConnectionColumns, 'issuer' | 'clientId'>;

/** Builds the error for a client secret that is missing, or that must not be there. */
export const refusedSecret = (message: string): AppError =>
  new AppError('INVALID_INPUT', { extra: { issues: [{ path: 'clientSecret', message }] } });

/**
 * Refuses a secret without a client, and a client without a secret. It also refuses to use a secret
 * with another client or another provider than those that it was given for: somebody who may change
 * the issuer, but does not know the secret, could have it sent to a server of their own.
 * @param before the connection as it is; a draft and a new connection have no client id
 * @throws AppError INVALID_INPUT
 */
export function assertSecretFits(
  before: Client,
  { issuer, clientId = null }: Client,
  clientSecret: string | undefined,
): void {
  if (clientId === null) {
    if (clientSecret === undefined) return;
    throw refusedSecret('must only be given together with the client id');
  }
  const isOther = issuer !== before.issuer || clientId !== before.clientId;
  if (isOther === (clientSecret !== undefined)) return;
  throw refusedSecret(
    isOther
      ? 'must be given with a new client id or another issuer'
      : 'must only be given with a new client id or another issuer: POST it to /secret',
  );
}
