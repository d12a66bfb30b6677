import {
  compareCatalogues,
  describeDifference,
} from '../../server/bootstrap/catalogue/compareCatalogues';
import { readExpectedCatalogue } from '../../server/bootstrap/catalogue/expectedCatalogue';
import type { ExpectedCatalogue } from '../../server/bootstrap/catalogue/expectedCatalogue';
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

/** Whether the manifest is of these migrations, as far as can be told without making them. */
export function checkManifest(folder: MigrationsFolder): Finding[] {
  const manifest = readManifest(folder);
  if ('code' in manifest) return [manifest];
  const last = folder.entries.at(-1)?.tag ?? '';
  if (manifest.lastMigration === last) return [];
  return [
    stale(
      `catalogue.json was recorded at ${manifest.lastMigration}, and the last migration is ${last}.`,
    ),
  ];
}

/** Makes the migrations in a scratch database, and compares what comes of them with the manifest. */
export async function checkRegenerated(folder: MigrationsFolder): Promise<Finding[]> {
  const manifest = readManifest(folder);
  if ('code' in manifest) return [];
  const { makeCatalogue } = await import('./scratchDatabase.js');
  const made = await makeCatalogue(folder.path);
  return compareCatalogues(made, manifest.objects).map((difference) =>
    stale(`catalogue.json is not what the migrations make. ${describeDifference(difference)}`),
  );
}
