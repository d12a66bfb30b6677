import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { textOr } from './settingTypes';
import type { SettingsOf } from './settingTypes';

/** The settings that name folders. */
export const folderSettings = {
  GATEHOUSE_DATA_DIR: textOr('.gatehouse'),
};

type FolderEnvironment = SettingsOf<typeof folderSettings>;

/** Returns the folder of package.json, whether this runs from `server/` or from `dist/server/`. */
export function findProjectRoot(): string {
  let folder = __dirname;
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}

/** @returns the version in package.json */
export function readVersion(root = findProjectRoot()): string {
  const parsed = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  return parsed.version;
}

/** Returns the folder of the embedded database and the local keys. */
export const readDataDir = (env: FolderEnvironment): string =>
  resolve(findProjectRoot(), env.GATEHOUSE_DATA_DIR);

/** Returns the folders and files that the server reads and writes, as absolute paths. */
export function readFolderSettings(env: FolderEnvironment) {
  const root = findProjectRoot();
  return {
    dataDir: readDataDir(env),
    migrationsDir: join(root, 'migrations'),
    examplesDir: join(root, 'examples'),
    clientFile: join(root, 'dist', 'client', 'gatehouse.js'),
    verifierDir: join(root, 'dist', 'verifier'),
  };
}
