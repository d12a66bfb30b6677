import type { Db } from '../db';
import { compareDeclared, summarize } from './compareDeclared';
import { PermissionsFileError, readPermissionsFile } from './permissionsFile';
import { listDeclared } from './permissionStore';

/**
 * Compares the declared permissions with a file.
 * @returns a sentence if they differ or the file cannot be used; otherwise undefined
 */
export async function comparePermissionsFile(db: Db, path: string): Promise<string | undefined> {
  try {
    const declaration = compareDeclared(await listDeclared(db), await readPermissionsFile(path));
    const parts = Object.entries(summarize(declaration)).flatMap(([kind, names]) =>
      names.length > 0 ? [`${kind}: ${names.join(', ')}`] : [],
    );
    if (parts.length === 0) return undefined;
    return `PERMISSIONS_FILE differs from the declared permissions (${parts.join('; ')}). To declare those of the file, run \`npm run admin -- permissions declare\`.`;
  } catch (error) {
    if (error instanceof PermissionsFileError) return error.message;
    throw error;
  }
}
