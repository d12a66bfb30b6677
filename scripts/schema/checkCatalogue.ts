import {
  compareCatalogues,
  describeDifference,
} from '../../server/schema/catalogue/compareCatalogues';
import { readExpectedCatalogue } from '../../server/schema/catalogue/expectedCatalogue';
import type { ExpectedCatalogue } from '../../server/schema/catalogue/expectedCatalogue';
import { RECORD } from './folder';
import type { MigrationsFolder } from './folder';
import type { Finding } from './finding';

const stale = (message: string): Finding => ({
  code: 'CATALOGUE_STALE',
  object: 'migrations/catalogue.json',
  message,
  fix: RECORD,
});

function readManifest(folder: MigrationsFolder): ExpectedCatalogue | Finding {
  try {
    return readExpectedCatalogue(folder.path);
  } catch (error) {
    return stale(error instanceof Error ? error.message : String(error));
  }
}

/**
 * Checks whether the manifest belongs to these migrations, as far as that is possible without
 * applying them.
 */
export function checkManifest(folder: MigrationsFolder): Finding[] {
  const manifest = readManifest(folder);
  if ('code' in manifest) return [manifest];
  const last = folder.entries.at(-1)?.tag ?? '';
  if (manifest.lastMigration === last) return [];
  return [
    stale(
      `catalogue.json was recorded at ${manifest.lastMigration}, but the last migration is ${last}.`,
    ),
  ];
}

/** Applies the migrations to a scratch database, and compares the result with the manifest. */
export async function checkRegenerated(folder: MigrationsFolder): Promise<Finding[]> {
  const manifest = readManifest(folder);
  if ('code' in manifest) return [];
  const { makeCatalogue } = await import('./scratchDatabase.js');
  const made = await makeCatalogue(folder.path);
  return compareCatalogues(made, manifest.objects).map((difference) =>
    stale(
      `catalogue.json differs from the schema that the migrations create. ${describeDifference(difference)}`,
    ),
  );
}
