import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { text } from './settingTypes';
import type { SettingsOf } from './settingTypes';

/** The settings of the team's own permissions. */
export const permissionSettings = {
  PERMISSIONS_FILE: text(),
};

type PermissionEnvironment = SettingsOf<typeof permissionSettings>;

/** Returns a sentence if the setting names a missing file. */
export const findPermissionProblems = ({ PERMISSIONS_FILE: path }: PermissionEnvironment) =>
  path === undefined || existsSync(path)
    ? []
    : ['PERMISSIONS_FILE names a file that does not exist.'];

/** Reads the setting that {@link findPermissionProblems} has accepted. */
export const readPermissionSettings = ({ PERMISSIONS_FILE: path }: PermissionEnvironment) => ({
  permissionsFile: path === undefined ? undefined : resolve(path),
});
