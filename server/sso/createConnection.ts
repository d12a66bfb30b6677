import { recordAudit } from '../audit';
import type { Principal, RequestContext } from '../context';
import type { Tx } from '../db';
import { AppError } from '../errors';
import {
  describeConnection,
  insertConnection,
  listConnectionRows,
  sealClientSecret,
} from '../ssoConnections';
import { administer } from '../tenants';
import { assertSecretFits } from './assertSecretFits';
import type { NewConnection } from './connectionInput';
import type { SsoDeps } from './deps';
import { discoverProvider } from './discoverProvider';
import { assertHostedDomain } from './hostedDomain';
import { chooseAlgorithm, chooseTokenAuth } from './judgeMetadata';
import { showConnection } from './showConnections';
import type { ShownConnection } from './showConnections';

/** The most connections of a tenant. */
const MOST_CONNECTIONS = 20;

/**
 * Refuses a second connection with the same client at the same provider. Call it under the tenant's
 * lock. Drafts have no client, so a provider may have several.
 * @param id the connection that is changed; undefined for a new one
 * @throws AppError SSO_CONNECTION_EXISTS; TOO_MANY_SSO_CONNECTIONS
 */
export async function assertClientFree(
  tx: Tx,
  tenantId: string,
  {
    id,
    issuer,
    clientId = null,
  }: { id?: string; issuer: string; clientId?: string | null | undefined },
): Promise<void> {
  const others = (await listConnectionRows(tx, tenantId)).filter((one) => one.id !== id);
  const isSame = (one: { issuer: string; clientId: string | null }) =>
    clientId !== null && one.issuer === issuer && one.clientId === clientId;
  if (others.some(isSame)) throw new AppError('SSO_CONNECTION_EXISTS');
  if (others.length >= MOST_CONNECTIONS) {
    const detail = `A tenant has at most ${MOST_CONNECTIONS} connections. First delete one that nobody needs.`;
    throw new AppError('TOO_MANY_SSO_CONNECTIONS', { detail });
  }
}

/**
 * Connects the caller's tenant to an OpenID Connect provider, after reading its discovery document.
 * Without a client id the connection is a draft: it only reserves the redirect URI, which providers
 * ask for before they give a client id.
 * @throws AppError INVALID_INPUT; SSO_ISSUER_REFUSED; SSO_DISCOVERY_FAILED; SSO_PROVIDER_REFUSED;
 * SSO_CONNECTION_EXISTS; TOO_MANY_SSO_CONNECTIONS; what `administer` throws
 */
export async function createConnection(
  deps: SsoDeps,
  ctx: RequestContext,
  principal: Principal,
  { clientSecret, tokenAuth, ...input }: NewConnection,
): Promise<ShownConnection> {
  const { tenantId } = principal;
  assertHostedDomain(input.issuer, input.requiredHostedDomain);
  assertSecretFits({ issuer: input.issuer, clientId: null }, input, clientSecret);
  // No transaction is open while the provider is asked: it may take seconds.
  const metadata = await discoverProvider(deps, input.issuer);
  const alg = chooseAlgorithm(metadata);
  const columns = { ...input, tokenAuth: chooseTokenAuth(metadata, tokenAuth), alg, metadata };
  const authority = { via: 'api' as const, principal };
  return administer(deps, ctx, authority, 'SETTINGS_SECURITY_EDIT', async (tx) => {
    await assertClientFree(tx, tenantId, input);
    const row = { id: deps.random.id(), tenantId };
    const secret = clientSecret && sealClientSecret(deps.keys, row, clientSecret);
    await insertConnection(tx, { ...row, ...columns, ...(secret ?? {}) });
    await recordAudit(tx, ctx, {
      action: 'SSO_CONNECTION_CREATED',
      outcome: 'success',
      subject: `sso-connection:${row.id}`,
      details: { after: describeConnection(columns), via: 'api' },
    });
    return showConnection(deps, tx, { tenantId, id: row.id });
  });
}
