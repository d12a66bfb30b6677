import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { MigrationError } from './migrationError';

/**
 * `shared`: in one transaction with its neighbours; `own`: in a transaction of its own; `none`:
 * without a transaction around its statements.
 */
export type TransactionMode = 'shared' | 'own' | 'none';

export interface Migration {
  tag: string;
  /** Milliseconds since 1970. This time identifies the migration in drizzle's table. */
  when: number;
  /** SHA-256 of the file in hex, as drizzle computes it. */
  hash: string;
  /** The statements, without those that hold only comments. */
  statements: readonly string[];
  transaction: TransactionMode;
}

const journalSchema = z.object({
  entries: z.array(z.object({ tag: z.string(), when: z.number() })),
});

const MARKER = /^\s*--\s*gatehouse:transaction\b[ \t]*(.*?)\s*$/;
const COMMENT_OR_BLANK = /^\s*(--(?!>).*)?$/;

function transactionModeOf(tag: string, sql: string): TransactionMode {
  const lines = sql.split(/\r?\n/);
  const end = lines.findIndex((line) => !COMMENT_OR_BLANK.test(line));
  const marked = lines.flatMap((line, at) => {
    const word = MARKER.exec(line)?.[1];
    return word === undefined ? [] : [{ at, word }];
  });
  const [marker, another] = marked;
  if (!marker) return 'shared';
  const { at, word } = marker;
  // If a marker were ignored, a statement that must not run in a transaction would run in one.
  if (another || (end >= 0 && at > end) || (word !== 'own' && word !== 'none')) {
    throw new MigrationError(
      `The migration ${tag} must hold at most one line \`-- gatehouse:transaction own\` or \`-- gatehouse:transaction none\`, before its first statement: mend it, then run \`npm run schema -- check\`.`,
    );
  }
  return word;
}

/** Returns a statement without its leading comments and spaces. */
export const withoutLeadingComments = (statement: string): string =>
  statement.replace(/^(?:\s+|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)+/, '');

function parseMigration(tag: string, when: number, sql: string): Migration {
  return {
    tag,
    when,
    hash: createHash('sha256').update(sql).digest('hex'),
    statements: sql
      .split('--> statement-breakpoint')
      .filter((statement) => withoutLeadingComments(statement) !== ''),
    transaction: transactionModeOf(tag, sql),
  };
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new MigrationError(
      `The migrations of this release are not whole: ${file} cannot be read. Put it back: \`npm run schema -- check\` names what else is missing.`,
      { cause: error },
    );
  }
}

async function readEntries(file: string): Promise<{ tag: string; when: number }[]> {
  const text = await readText(file);
  try {
    return journalSchema.parse(JSON.parse(text)).entries;
  } catch (error) {
    throw new MigrationError(
      `${file} is not a journal of migrations: put it back as it was, then run \`npm run schema -- check\`.`,
      { cause: error },
    );
  }
}

/**
 * Reads drizzle-kit's folder.
 * @returns the migrations by their time, the oldest first; they run in this order on every database
 * @throws MigrationError if a file is missing, a marker is wrong, or two migrations have the same
 *   time
 */
export async function readMigrations(folder: string): Promise<Migration[]> {
  const entries = await readEntries(join(folder, 'meta', '_journal.json'));
  const migrations = await Promise.all(
    entries.map(async ({ tag, when }) =>
      parseMigration(tag, when, await readText(join(folder, `${tag}.sql`))),
    ),
  );
  migrations.sort((one, other) => one.when - other.when);
  for (const [at, { tag, when }] of migrations.entries()) {
    const twin = migrations[at + 1];
    // The time identifies a migration, so the second would count as applied as soon as the first
    // is.
    if (twin?.when === when) {
      throw new MigrationError(
        `The migrations ${tag} and ${twin.tag} have the same time in the journal: remove the one that has not landed and generate it again with \`npm run schema -- generate\`.`,
      );
    }
  }
  return migrations;
}
