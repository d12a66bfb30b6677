import type { Db, Tx } from '../db';
import { assertRowId } from '../db/ids';
import { AppError } from '../errors';
import { endpointsOf, listConnectionRows } from '../ssoConnections';
import type { ConnectionRow } from '../ssoConnections';
import type { SsoDeps } from './deps';
import { findRedirectUri } from './signIn/redirectAddress';

type ShowDeps = Pick<SsoDeps, 'mail' | 'config'>;

const showRow = (deps: ShowDeps, { metadata, ...row }: ConnectionRow) => ({
  ...row,
  state: row.clientId === null ? ('draft' as const) : ('ready' as const),
  redirectUri: findRedirectUri(deps, row.id),
  endpoints: endpointsOf(metadata),
});

/** A connection for display; never its secret. */
export type ShownConnection = ReturnType<typeof showRow>;

/** Lists the connections of a tenant, the oldest first. */
export const listConnections = async (
  deps: ShowDeps & Pick<SsoDeps, 'db'>,
  tenantId: string,
): Promise<ShownConnection[]> =>
  (await listConnectionRows(deps.db, tenantId)).map((row) => showRow(deps, row));

/** @throws AppError NOT_FOUND, also for a connection of another tenant */
export async function findConnection(
  db: Db | Tx,
  tenantId: string,
  id: string,
): Promise<ConnectionRow> {
  assertRowId(id);
  const [row] = await listConnectionRows(db, tenantId, id);
  if (!row) throw new AppError('NOT_FOUND');
  return row;
}

/** @throws AppError NOT_FOUND, also for a connection of another tenant */
export const showConnection = async (
  deps: ShowDeps,
  db: Db | Tx,
  { tenantId, id }: { tenantId: string; id: string },
): Promise<ShownConnection> => showRow(deps, await findConnection(db, tenantId, id));
