import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { text } from './settingTypes';
import type { SettingsOf } from './settingTypes';

/** The settings that name files in which the team declares what its own API uses. */
export const declarationSettings = {
  PERMISSIONS_FILE: text(),
  EVENT_TYPES_FILE: text(),
};

type DeclarationEnvironment = SettingsOf<typeof declarationSettings>;

/** Returns a sentence for each setting that names a missing file. */
export const findDeclarationProblems = ({
  PERMISSIONS_FILE,
  EVENT_TYPES_FILE,
}: DeclarationEnvironment) =>
  Object.entries({ PERMISSIONS_FILE, EVENT_TYPES_FILE }).flatMap(([name, path]) =>
    path === undefined || existsSync(path) ? [] : [`${name} names a file that does not exist.`],
  );

const toPath = (path: string | undefined) => (path === undefined ? undefined : resolve(path));

/** Reads the settings that {@link findDeclarationProblems} has accepted. */
export const readDeclarationSettings = (env: DeclarationEnvironment) => ({
  permissionsFile: toPath(env.PERMISSIONS_FILE),
  eventTypesFile: toPath(env.EVENT_TYPES_FILE),
});
