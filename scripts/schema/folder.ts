import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

export const GENERATE = 'npm run schema -- generate --name what_changes';
export const RECORD = 'npm run schema -- record';

const journalSchema = z.object({
  entries: z.array(z.object({ idx: z.number(), when: z.number(), tag: z.string() })),
});

const snapshotSchema = z.object({ id: z.string(), prevId: z.string() });

const pinsSchema = z.object({
  lintFrom: z.number(),
  pins: z.record(z.string(), z.object({ sql: z.string(), snapshot: z.string(), when: z.number() })),
});

export type Entry = z.infer<typeof journalSchema>['entries'][number];
export type Pins = z.infer<typeof pinsSchema>;
export type Snapshot = z.infer<typeof snapshotSchema>;

/** The content of a migrations folder. */
export interface MigrationsFolder {
  path: string;
  entries: Entry[];
  /** The text of every `.sql` file by its tag, named in the journal or not. */
  sql: ReadonlyMap<string, string>;
  /** The text of each snapshot by its number, such as `0003`. */
  snapshots: ReadonlyMap<string, string>;
  pins: Pins;
}

export const PINS_FILE = 'pins.json';
const NO_PINS: Pins = { lintFrom: 0, pins: {} };

export const numberOf = (entry: Pick<Entry, 'idx'>): string => String(entry.idx).padStart(4, '0');

export const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

const read = (path: string) => readFileSync(path, 'utf8');

/** Returns the migrations folder of a checkout. */
export const migrationsOf = (root: string): string => join(root, 'migrations');
export const schemaOf = (root: string): string => join(root, 'server', 'db', 'schema');

/**
 * Reads a migrations folder.
 * @param root a checkout, or a copy of its schema and migrations
 * @throws Error with a plain sentence if journal or pins cannot be read
 */
export function readFolder(root: string): MigrationsFolder {
  const path = migrationsOf(root);
  const meta = join(path, 'meta');
  const parse = <T>(file: string, schema: z.ZodType<T>): T => {
    try {
      return schema.parse(JSON.parse(read(file)));
    } catch (error) {
      throw new Error(`${file.slice(root.length + 1)} cannot be read`, { cause: error });
    }
  };
  const names = (folder: string, ending: string) =>
    existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(ending)) : [];
  const { entries } = parse(join(meta, '_journal.json'), journalSchema);
  const pinsFile = join(path, PINS_FILE);
  return {
    path,
    entries,
    sql: new Map(names(path, '.sql').map((name) => [name.slice(0, -4), read(join(path, name))])),
    snapshots: new Map(
      names(meta, '_snapshot.json').map((name) => [
        name.slice(0, -'_snapshot.json'.length),
        read(join(meta, name)),
      ]),
    ),
    pins: existsSync(pinsFile) ? parse(pinsFile, pinsSchema) : NO_PINS,
  };
}

/** @returns undefined if the text is no snapshot */
export function parseSnapshot(text: string): Snapshot | undefined {
  try {
    return snapshotSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
