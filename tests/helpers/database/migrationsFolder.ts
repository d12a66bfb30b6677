import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closeLater } from '../server/closing';
import { REPOSITORY } from '../server/serverProcess';

interface JournalEntry {
  idx: number;
  version: string;
  when: number;
  tag: string;
  breakpoints: boolean;
}

export interface Migration extends JournalEntry {
  sql: string;
}

export const MIGRATIONS = join(REPOSITORY, 'migrations');

/** Returns the migrations of this release, oldest first. */
export function readMigrations(): Migration[] {
  const journal = JSON.parse(readFileSync(join(MIGRATIONS, 'meta', '_journal.json'), 'utf8')) as {
    entries: JournalEntry[];
  };
  return journal.entries.map((entry) => ({
    ...entry,
    sql: readFileSync(join(MIGRATIONS, `${entry.tag}.sql`), 'utf8'),
  }));
}

/**
 * Returns the migrations that share one transaction when an empty database is migrated. No later
 * one depends on the others.
 */
export const inOneTransaction = (migrations: readonly Migration[]): Migration[] =>
  migrations.filter(({ sql }) => !sql.includes('-- gatehouse:transaction'));

/**
 * Returns a tag whose number counts from the next free one: 0 is that number, and -1 the newest
 * migration.
 */
export function numbered(ahead: number, name: string): string {
  return `${String(readMigrations().length + ahead).padStart(4, '0')}_${name}`;
}

/** Returns the tag of the newest migration of this release. */
export function newestTag(): string {
  const newest = readMigrations().at(-1);
  if (!newest) throw new Error('there is no migration');
  return newest.tag;
}

/** Writes a migrations folder as another release would have it. It is removed after the file. */
export function writeMigrations(migrations: readonly Migration[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-migrations-'));
  closeLater(() => Promise.resolve(rmSync(folder, { recursive: true })));
  cpSync(join(MIGRATIONS, 'meta', '_journal.json'), join(folder, 'meta', '_journal.json'));
  cpSync(join(MIGRATIONS, 'catalogue.json'), join(folder, 'catalogue.json'));
  const entries = migrations.map(({ sql: _sql, ...entry }) => entry);
  const journal = { version: '7', dialect: 'postgresql', entries };
  writeFileSync(join(folder, 'meta', '_journal.json'), JSON.stringify(journal));
  for (const { tag, sql } of migrations) writeFileSync(join(folder, `${tag}.sql`), sql);
  return folder;
}

/**
 * Returns a made-up migration.
 * @param number its place in time: from 9000 on it is later than all of the product's migrations,
 *   below that earlier
 */
export function madeUp(number: number, sql: string, name = 'made_up'): Migration {
  const newest = readMigrations().at(-1)?.when ?? 0;
  const when = number >= 9000 ? newest + number : 1_600_000_000_000 + number;
  const tag = `${String(number).padStart(4, '0')}_${name}`;
  return { idx: number, version: '7', when, tag, breakpoints: true, sql };
}

/** Joins several statements as drizzle-kit writes them. */
export const statements = (...sql: string[]): string => sql.join(';\n--> statement-breakpoint\n');

/** Returns the folder of the release just before a migration. */
export function migrationsBefore(tag: string): string {
  const all = readMigrations();
  const index = all.findIndex((migration) => migration.tag.startsWith(tag));
  if (index < 0) throw new Error(`there is no migration ${tag}`);
  return writeMigrations(all.slice(0, index));
}
