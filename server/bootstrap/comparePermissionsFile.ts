import type { Kernel } from '../kernel';
import { compareWithFile } from '../tenants';

/**
 * Warns if the file of the setting PERMISSIONS_FILE differs from the permissions that were
 * declared. The server starts all the same: it uses those in the database.
 */
export async function comparePermissionsFile({
  config,
  db,
  logger,
}: Pick<Kernel, 'config' | 'db' | 'logger'>): Promise<void> {
  const { permissionsFile } = config;
  if (permissionsFile === undefined) return;
  const fault = await compareWithFile(db, permissionsFile);
  if (fault !== undefined) logger.warn({ code: 'PERMISSIONS_FILE' }, fault);
}
