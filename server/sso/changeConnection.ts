import { recordAudit } from '../audit';
import type { Principal, RequestContext } from '../context';
import { describeConnection, sealClientSecret, updateConnection } from '../ssoConnections';
import type { ConnectionColumns, ConnectionRow, ProviderMetadata } from '../ssoConnections';
import { administer } from '../tenants';
import { assertSecretFits } from './assertSecretFits';
import type { ConnectionChange } from './connectionInput';
import { assertClientFree } from './createConnection';
import type { SsoDeps } from './deps';
import { discoverProvider } from './discoverProvider';
import { assertHostedDomain } from './hostedDomain';
import { chooseAlgorithm, chooseTokenAuth } from './judgeMetadata';
import { findConnection, showConnection } from './showConnections';
import type { ShownConnection } from './showConnections';

/** Builds the connection that is wanted from the one that there is. */
function toWanted(
  before: ConnectionRow,
  set: Omit<ConnectionChange, 'clientSecret'>,
  discovered: ProviderMetadata | undefined,
): ConnectionColumns {
  const { tokenAuth = before.tokenAuth, requiredHostedDomain = before.requiredHostedDomain } = set;
  const { name = before.name, issuer = before.issuer, clientId = before.clientId } = set;
  assertHostedDomain(issuer, requiredHostedDomain);
  const metadata = discovered ?? before.metadata;
  return {
    ...{ name, issuer, clientId, requiredHostedDomain, metadata },
    alg: discovered ? chooseAlgorithm(metadata) : before.alg,
    tokenAuth: chooseTokenAuth(metadata, tokenAuth),
  };
}

/**
 * Changes a connection of the caller's tenant. If the change names the issuer, also the same one,
 * the discovery document is read again. A change that changes nothing records nothing.
 * @throws AppError NOT_FOUND; INVALID_INPUT; SSO_ISSUER_REFUSED; SSO_DISCOVERY_FAILED;
 * SSO_PROVIDER_REFUSED; SSO_CONNECTION_EXISTS; what `administer` throws
 */
export async function changeConnection(
  deps: SsoDeps,
  ctx: RequestContext,
  principal: Principal,
  { id, clientSecret, ...set }: ConnectionChange & { id: string },
): Promise<ShownConnection> {
  const { tenantId } = principal;
  await findConnection(deps.db, tenantId, id);
  const discovered =
    set.issuer === undefined ? undefined : await discoverProvider(deps, set.issuer);
  const authority = { via: 'api' as const, principal };
  return administer(deps, ctx, authority, 'SETTINGS_SECURITY_EDIT', async (tx) => {
    const row = await findConnection(tx, tenantId, id);
    const wanted = toWanted(row, set, discovered);
    assertSecretFits(row, wanted, clientSecret);
    await assertClientFree(tx, tenantId, { ...wanted, id: row.id });
    const [before, after] = [describeConnection(row), describeConnection(wanted)];
    const secret =
      clientSecret === undefined
        ? undefined
        : sealClientSecret(deps.keys, { tenantId, id: row.id }, clientSecret);
    const isChanged = JSON.stringify(before) !== JSON.stringify(after);
    if (isChanged || discovered) {
      await updateConnection(tx, tenantId, { id: row.id, ...wanted, ...secret }, !!discovered);
    }
    if (isChanged) {
      const replaced = secret && { secretReplaced: true as const };
      await recordAudit(tx, ctx, {
        action: 'SSO_CONNECTION_UPDATED',
        outcome: 'success',
        subject: `sso-connection:${row.id}`,
        details: { before, after, ...replaced, via: 'api' },
      });
    }
    return showConnection(deps, tx, { tenantId, id: row.id });
  });
}
