import { HOUR_SEC, MINUTE_SEC } from '../durations';
import { isProduction } from './processSettings';
import type { Mode } from './processSettings';
import { flag, integer, splitNames, text, word } from './settingTypes';
import type { SettingsOf } from './settingTypes';

/** The settings of migrations, of the schema guard and of the serving role. */
export const schemaSettings = {
  MIGRATE_ON_BOOT: flag(),
  SCHEMA_GUARD: word(['enforce', 'warn']),
  SCHEMA_KNOWN_ROLES: text(),
  ALLOW_OWNER_ROLE: flag(),
  SCHEMA_CHECK_INTERVAL_SEC: integer(MINUTE_SEC, 1, HOUR_SEC),
};

type SchemaEnvironment = SettingsOf<typeof schemaSettings> & Mode;

/** @returns a sentence if SCHEMA_KNOWN_ROLES is invalid */
export function findSchemaProblems(env: SchemaEnvironment): string[] {
  const roles = splitNames(env.SCHEMA_KNOWN_ROLES);
  if (!roles.some((role) => role.toUpperCase() === 'PUBLIC')) return [];
  return ['SCHEMA_KNOWN_ROLES must name roles: PUBLIC means every role.'];
}

/** Reads settings that {@link findSchemaProblems} has accepted. */
export function readSchemaSettings(env: SchemaEnvironment) {
  const production = isProduction(env);
  return {
    migrateOnBoot: env.MIGRATE_ON_BOOT ?? !production,
    // As with migrations, the default is lenient in development, and strict in production.
    schemaGuard: env.SCHEMA_GUARD ?? (production ? ('enforce' as const) : ('warn' as const)),
    schemaKnownRoles: splitNames(env.SCHEMA_KNOWN_ROLES),
    allowOwnerRole: env.ALLOW_OWNER_ROLE ?? false,
    schemaCheckIntervalSec: env.SCHEMA_CHECK_INTERVAL_SEC,
  };
}
