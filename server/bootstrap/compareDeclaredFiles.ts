import { compareEventTypesFile } from '../appEvents';
import type { Db } from '../db';
import { databaseFault } from '../db/pgErrors';
import type { Kernel } from '../kernel';
import { comparePermissionsFile } from '../tenants';

type CompareDeps = Pick<Kernel, 'config' | 'db' | 'logger'>;
type Compare = (db: Db, path: string) => Promise<string | undefined>;

async function compareFile(
  { db, logger }: CompareDeps,
  code: string,
  path: string | undefined,
  compare: Compare,
): Promise<void> {
  if (path === undefined) return;
  try {
    const fault = await compare(db, path);
    if (fault !== undefined) logger.warn({ code }, fault);
  } catch (error) {
    if (databaseFault(error) === undefined) throw error;
    logger.warn({ code, err: error }, `${code} could not be compared with the database.`);
  }
}

/**
 * Warns if the file of the setting PERMISSIONS_FILE or EVENT_TYPES_FILE differs from what was
 * declared. The server starts all the same, also if its database cannot tell: it uses what is in the
 * database.
 */
export async function compareDeclaredFiles(deps: CompareDeps): Promise<void> {
  const { permissionsFile, eventTypesFile } = deps.config;
  await compareFile(deps, 'PERMISSIONS_FILE', permissionsFile, comparePermissionsFile);
  await compareFile(deps, 'EVENT_TYPES_FILE', eventTypesFile, compareEventTypesFile);
}
