import { recordAudit } from '../audit';
import type { Principal, RequestContext } from '../context';
import { assertRowId } from '../db/ids';
import {
  openClientSecret,
  readSealedSecret,
  replaceClientSecret,
  sealClientSecret,
} from '../ssoConnections';
import { administer } from '../tenants';
import { refusedSecret } from './assertSecretFits';
import type { NewSecret } from './connectionInput';
import type { SsoDeps } from './deps';
import { findConnection, showConnection } from './showConnections';
import type { ShownConnection } from './showConnections';

/**
 * Gives a connection of the caller's tenant a new client secret, beside the one before for a while.
 * The secret that it has already changes nothing: a request that is sent twice must not end the one
 * before.
 * @throws AppError NOT_FOUND; INVALID_INPUT for a draft; what `administer` throws
 */
export async function rotateClientSecret(
  deps: SsoDeps,
  ctx: RequestContext,
  principal: Principal,
  { id, clientSecret, overlapSec }: NewSecret & { id: string },
): Promise<ShownConnection> {
  assertRowId(id);
  const { tenantId } = principal;
  const authority = { via: 'api' as const, principal };
  return administer(deps, ctx, authority, 'SETTINGS_SECURITY_EDIT', async (tx) => {
    const { clientId, ...found } = await findConnection(tx, tenantId, id);
    if (clientId === null) {
      throw refusedSecret(
        'is the first one: PUT it to the connection, together with its client id',
      );
    }
    const row = { tenantId, id: found.id };
    const sealed = await readSealedSecret(tx, tenantId, row.id);
    if (sealed && openClientSecret(deps.keys, row, sealed) === clientSecret) {
      return showConnection(deps, tx, row);
    }
    const next = sealClientSecret(deps.keys, row, clientSecret);
    await replaceClientSecret(tx, tenantId, { id: row.id, overlapSec, ...next });
    await recordAudit(tx, ctx, {
      action: 'SSO_CONNECTION_SECRET_ROTATED',
      outcome: 'success',
      subject: `sso-connection:${row.id}`,
      details: { overlapSec, via: 'api' },
    });
    return showConnection(deps, tx, row);
  });
}
