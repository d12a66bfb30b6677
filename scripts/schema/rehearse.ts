import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { migrate } from '../../server/schema/migrations/migrate';
import { checkDatabase } from './checkDatabase';
import { countRows, fillDatabase } from './fillDatabase';
import { migrationsOf } from './folder';
import { findBase, listCommit, openGit, readBlobs } from './git';
import type { Git } from './git';
import { withClient, withScratchServer } from './scratchDatabase';

const ROWS_PER_TABLE = 300;

async function expectSound(url: string, migrations: string, what: string): Promise<void> {
  const { findings } = await checkDatabase(url, migrations, []);
  if (findings.length === 0) return;
  throw new Error(
    [
      `${what} differs from the schema that the migrations create:`,
      ...findings.map(({ message }) => message),
    ].join('\n'),
  );
}

async function expectNothingLeft(url: string, migrations: string, what: string): Promise<void> {
  const again = await migrate(url, migrations);
  if (again > 0)
    throw new Error(`Migrating ${what} a second time applied ${again} more migrations.`);
  await expectSound(url, migrations, what);
}

async function rehearseEmpty(url: string, migrations: string): Promise<number> {
  const applied = await migrate(url, migrations);
  await expectSound(url, migrations, 'An empty database, migrated,');
  await expectNothingLeft(url, migrations, 'an empty database');
  return applied;
}

/** Returns the newest release, or the landed commit if there is none. */
function findPrevious(git: Git, from: string | undefined): string | undefined {
  if (from !== undefined) return from;
  const tag = git
    .ask(['tag', '--list', 'v*', '--sort=-version:refname', '--merged', 'HEAD'])
    ?.split('\n')[0];
  return tag ? tag : findBase(git, undefined);
}

function extractMigrations(git: Git, commit: string, folder: string): void {
  const files = listCommit(git, commit, ['migrations']);
  if (files.size === 0) throw new Error(`${commit} contains no migrations.`);
  const blobs = readBlobs(git, [...files.values()]);
  for (const [file, hash] of files) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), blobs.get(hash) ?? '');
  }
}

async function rehearsePrevious(url: string, previous: string, migrations: string) {
  const before = await migrate(url, previous);
  const filled = await withClient(url, (client) => fillDatabase(client, ROWS_PER_TABLE));
  const added = await migrate(url, migrations);
  await expectSound(url, migrations, "The previous release's database, migrated");
  const after = await withClient(url, (client) => countRows(client, filled.keys()));
  for (const [table, count] of filled) {
    if ((after.get(table) ?? 0) < count) {
      throw new Error(
        `Of ${count} rows in ${table}, ${after.get(table) ?? 0} are left after the migration.`,
      );
    }
  }
  await expectNothingLeft(url, migrations, "the previous release's database");
  return { before, added, rows: [...filled.values()].reduce((sum, count) => sum + count, 0) };
}

/**
 * Migrates an empty database, and a database of the previous release that is full of rows. It
 * migrates each twice, and compares both with the manifest.
 * @param from the previous release; the default is the newest tag v*, or the landed commit if there
 *   is none
 * @throws Error with the sentence that describes the failure
 */
export async function rehearse(
  root: string,
  from: string | undefined,
  say: (sentence: string) => void,
): Promise<void> {
  const migrations = migrationsOf(root);
  const git = openGit(root);
  const previous = git && findPrevious(git, from);
  if (!git || previous === undefined)
    throw new Error('A rehearsal reads the previous release from git, and this folder has none.');
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-previous-'));
  try {
    extractMigrations(git, previous, folder);
    await withScratchServer(async (server) => {
      const applied = await rehearseEmpty(await server.createDatabase(), migrations);
      say(
        `Empty database: ${applied} migrations applied, none on the second run; the schema is as recorded.`,
      );
      const { before, added, rows } = await rehearsePrevious(
        await server.createDatabase(),
        migrationsOf(folder),
        migrations,
      );
      say(
        `Database of ${previous.slice(0, 12)} (${before} migrations, ${rows} rows): ${added} more applied, none on the second run; the schema is as recorded, and no row was lost.`,
      );
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
