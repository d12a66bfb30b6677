import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Catalogue } from './readCatalogue';

export const CATALOGUE_FILE = 'catalogue.json';

const NOTE =
  'What the migrations make of an empty database. Written by `npm run schema -- record`, never by hand.';

const manifest = z.object({
  lastMigration: z.string(),
  fingerprint: z.string(),
  objects: z.record(z.string(), z.string()),
});

export interface ExpectedCatalogue {
  /** The migration up to which the catalogue was recorded. */
  lastMigration: string;
  /** See {@link fingerprintOf}. */
  fingerprint: string;
  objects: Catalogue;
}

const sorted = (catalogue: Catalogue): [string, string][] =>
  Object.entries(catalogue).sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0));

/**
 * @returns SHA-256 in hex of the sorted objects; equal schemas have equal values on every supported
 *   Postgres
 */
export const fingerprintOf = (catalogue: Catalogue): string =>
  createHash('sha256')
    .update(JSON.stringify(sorted(catalogue)))
    .digest('hex');

/**
 * Returns the text of the manifest, sorted and with one object a line, so that its diff in a review
 * shows the change of the schema.
 */
export function formatExpectedCatalogue(lastMigration: string, catalogue: Catalogue): string {
  const objects = Object.fromEntries(sorted(catalogue));
  const fingerprint = fingerprintOf(catalogue);
  return `${JSON.stringify({ note: NOTE, lastMigration, fingerprint, objects }, null, 2)}\n`;
}

/**
 * Reads the manifest that belongs to this release's migrations.
 * @param migrationsFolder the folder that holds `catalogue.json`
 * @throws Error with a plain sentence if there is no manifest, or if it was edited by hand
 */
export function readExpectedCatalogue(migrationsFolder: string): ExpectedCatalogue {
  const mend = 'run `npm run schema -- record` and commit the file.';
  let text: string;
  try {
    text = readFileSync(join(migrationsFolder, CATALOGUE_FILE), 'utf8');
  } catch (error) {
    throw new Error(`migrations/${CATALOGUE_FILE} cannot be read: ${mend}`, { cause: error });
  }
  let parsed: z.infer<typeof manifest>;
  try {
    parsed = manifest.parse(JSON.parse(text));
  } catch (error) {
    throw new Error(`migrations/${CATALOGUE_FILE} is not a manifest: ${mend}`, { cause: error });
  }
  if (fingerprintOf(parsed.objects) !== parsed.fingerprint) {
    throw new Error(`migrations/${CATALOGUE_FILE} was edited by hand: ${mend}`);
  }
  return parsed;
}
