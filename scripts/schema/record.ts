import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CATALOGUE_FILE,
  formatExpectedCatalogue,
} from '../../server/schema/catalogue/expectedCatalogue';
import { checkLanded, hashMigrations } from './checkGit';
import { PINS_FILE, hashOf, numberOf, readFolder } from './folder';
import type { MigrationsFolder, Pins } from './folder';
import type { Finding } from './finding';
import { openGit } from './git';
import { makeCatalogue } from './scratchDatabase';

const NOTE =
  'SHA-256 of each migration and its snapshot, in hex. Written by `npm run schema -- record`. Landed migrations are never edited. Migrations from number lintFrom on are linted.';

function pinAll({ entries, sql, snapshots }: MigrationsFolder): Pins['pins'] {
  return Object.fromEntries(
    entries.map((entry) => [
      entry.tag,
      {
        sql: hashOf(sql.get(entry.tag) ?? ''),
        snapshot: hashOf(snapshots.get(numberOf(entry)) ?? ''),
        when: entry.when,
      },
    ]),
  );
}

/**
 * Writes the pins and the manifest of the migrations in their present state. It does not pin a
 * landed migration that was changed.
 * @returns the findings that prevent this; if there are any, nothing was written
 */
export async function record(root: string, base: string | undefined): Promise<Finding[]> {
  const folder = readFolder(root);
  const git = openGit(root);
  const landed = git ? checkLanded(git, base, hashMigrations(root, git, 'worktree')) : [];
  if (landed.length > 0) return landed;
  const catalogue = await makeCatalogue(folder.path);
  const last = folder.entries.at(-1)?.tag ?? '';
  writeFileSync(join(folder.path, CATALOGUE_FILE), formatExpectedCatalogue(last, catalogue));
  const pins = { note: NOTE, lintFrom: folder.pins.lintFrom, pins: pinAll(folder) };
  writeFileSync(join(folder.path, PINS_FILE), `${JSON.stringify(pins, null, 2)}\n`);
  return [];
}
