import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closeLater } from './closing';
import { REPOSITORY } from './serverProcess';

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

/** The migrations of this release, oldest first. */
export function readMigrations(): Migration[] {
  const journal = JSON.parse(readFileSync(join(MIGRATIONS, 'meta', '_journal.json'), 'utf8')) as {
    entries: JournalEntry[];
  };
  return journal.entries.map((entry) => ({
    ...entry,
    sql: readFileSync(join(MIGRATIONS, `${entry.tag}.sql`), 'utf8'),
  }));
}

/** Those that share one transaction when an empty database is migrated; nothing later builds on the others. */
export const inOneTransaction = (migrations: readonly Migration[]): Migration[] =>
  migrations.filter(({ sql }) => !sql.includes('-- gatehouse:transaction'));

/** A tag with a number that counts from the next free one, 0, on: the newest migration has -1. */
export function numbered(ahead: number, name: string): string {
  return `${String(readMigrations().length + ahead).padStart(4, '0')}_${name}`;
}

/** What the newest migration of this release is called. */
export function newestTag(): string {
  const newest = readMigrations().at(-1);
  if (!newest) throw new Error('there is no migration');
  return newest.tag;
}

/** A migrations folder as another release would have it; it is removed after the file. */
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
 * A made-up migration.
 * @param number its place in time: later than all of the product's from 9000 on, and earlier below
 */
export function madeUp(number: number, sql: string, name = 'made_up'): Migration {
  const newest = readMigrations().at(-1)?.when ?? 0;
  const when = number >= 9000 ? newest + number : 1_600_000_000_000 + number;
  const tag = `${String(number).padStart(4, '0')}_${name}`;
  return { idx: number, version: '7', when, tag, breakpoints: true, sql };
}

/** Several statements, as drizzle-kit writes them. */
export const statements = (...sql: string[]): string => sql.join(';\n--> statement-breakpoint\n');

/** The release just before a migration came. */
export function migrationsBefore(tag: string): string {
  const all = readMigrations();
  const index = all.findIndex((migration) => migration.tag.startsWith(tag));
  if (index < 0) throw new Error(`there is no migration ${tag}`);
  return writeMigrations(all.slice(0, index));
}
