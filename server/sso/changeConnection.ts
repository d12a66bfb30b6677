import { recordAudit } from '../audit';
import { withSessionTable } from '../auth';
import type { Principal, RequestContext } from '../context';
import type { Tx } from '../db';
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
import { endSessionsThrough } from './endSessionsThrough';
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

/** A change, with the discovery document that was read for it. */
interface DiscoveredChange {
  readonly id: string;
  readonly set: Omit<ConnectionChange, 'clientSecret'>;
  readonly clientSecret: string | undefined;
  readonly discovered: ProviderMetadata | undefined;
}

/** Writes and records a change. @returns whether the connection has another issuer now */
async function writeChange(
  deps: SsoDeps,
  tx: Tx,
  ctx: RequestContext,
  tenantId: string,
  { id, set, clientSecret, discovered }: DiscoveredChange,
): Promise<boolean> {
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
  return before.issuer !== after.issuer;
}

/**
 * Changes a connection of the caller's tenant. If the change names the issuer, also the same one,
 * the discovery document is read again. Another issuer ends the sessions that the one before opened,
 * as a deletion does. A change that changes nothing records nothing.
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
  const change = { id, set, clientSecret, discovered };
  const { shown, ended } = await withSessionTable(deps, (mode) =>
    administer(deps, ctx, authority, 'SETTINGS_SECURITY_EDIT', async (tx) => {
      const isMoved = await writeChange(deps, tx, ctx, tenantId, change);
      const through = { tenantId, connectionId: id };
      return {
        ended: isMoved ? await endSessionsThrough(deps, tx, ctx, mode, through) : [],
        shown: await showConnection(deps, tx, { tenantId, id }),
      };
    }),
  );
  for (const staffId of ended) deps.riskFacts.forget(tenantId, staffId);
  return shown;
}
