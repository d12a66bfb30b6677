import { AppError } from '../errors';
import { GOOGLE } from './issuerRules';

/**
 * Refuses a connection to Google that names no domain, because Google signs in everybody under one
 * issuer, and a domain for any other provider, which would not tell it to us.
 * @throws AppError INVALID_INPUT
 */
export function assertHostedDomain(issuer: string, requiredHostedDomain: string | null): void {
  const isGoogle = issuer === GOOGLE;
  if (isGoogle === (requiredHostedDomain !== null)) return;
  const message = isGoogle
    ? `must be given for ${GOOGLE}: the Google Workspace domain whose people may sign in`
    : `must be null, except for ${GOOGLE}`;
  throw new AppError('INVALID_INPUT', {
    extra: { issues: [{ path: 'requiredHostedDomain', message }] },
  });
}
