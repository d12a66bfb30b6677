import type { Tx } from '../db';
import { AppError } from '../errors';
import { holdConnection } from './connectionHoldStore';

/**
 * Keeps the connection of a provider's sign-in from being deleted until the transaction ends. A
 * sign-in with the password has no connection, and nothing is held. Call it before the staff row is
 * locked.
 * @throws AppError INVALID_CREDENTIALS if the connection is no longer there
 */
export async function holdProvider(
  tx: Tx,
  tenantId: string,
  connectionId: string | null,
): Promise<void> {
  if (connectionId === null) return;
  if (!(await holdConnection(tx, tenantId, connectionId))) {
    throw new AppError('INVALID_CREDENTIALS');
  }
}
