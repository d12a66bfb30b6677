import type { Db, Tx } from '../../db';
import { assertRowId } from '../../db/ids';
import type { TenantDeps } from '../deps';
import { AppError } from '../../errors';
import { cutPage, fromCursor, toCursor } from '../../http/timeCursor';
import { listApiKeyRows } from './apiKeyStore';
import type { ApiKeyStatus } from './apiKeyStore';

type KeyRow = Awaited<ReturnType<typeof listApiKeyRows>>[number];

/** A key for display; never its text. */
export type ShownApiKey = ReturnType<typeof showRow>;

function showRow({ staffId, holderEmail, ...row }: KeyRow) {
  return { ...row, holder: { staffId, email: holderEmail } };
}

/**
 * Lists the keys of a tenant, newest first.
 * @throws AppError INVALID_INPUT for a cursor that the server did not issue
 */
export async function listApiKeys(
  { db }: Pick<TenantDeps, 'db'>,
  tenantId: string,
  query: {
    status?: ApiKeyStatus | undefined;
    holder?: string | undefined;
    cursor?: string | undefined;
    limit: number;
  },
): Promise<{ keys: ShownApiKey[]; nextCursor: string | null }> {
  const { cursor, limit, ...filter } = query;
  const below = cursor === undefined ? undefined : fromCursor(cursor);
  const rows = await listApiKeyRows(db, tenantId, { ...filter, below, limit: limit + 1 });
  const { shown, nextCursor } = cutPage(rows, limit, ({ createdAt: occurredAt, id }) =>
    toCursor({ occurredAt, id }),
  );
  return { keys: shown.map(showRow), nextCursor };
}

/** @throws AppError NOT_FOUND, also for a key of another tenant */
export async function showApiKey(db: Db | Tx, tenantId: string, id: string): Promise<ShownApiKey> {
  assertRowId(id);
  const [row] = await listApiKeyRows(db, tenantId, { id, limit: 1 });
  if (!row) throw new AppError('NOT_FOUND');
  return showRow(row);
}
