import { findProjectRoot, readVersion } from './folderSettings';
import { integer, text, wordOr } from './settingTypes';
import type { SettingsOf } from './settingTypes';

/** The settings of the process itself. */
export const processSettings = {
  NODE_ENV: wordOr('development', ['development', 'test', 'production']),
  PORT: integer(3000, 0, 65_535),
  HOST: text(),
  LOG_LEVEL: wordOr('info', ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
  RELEASE: text(),
};

type ProcessEnvironment = SettingsOf<typeof processSettings>;

/** The setting that every section may depend on. */
export interface Mode {
  readonly NODE_ENV: string;
}

export const isProduction = ({ NODE_ENV }: Mode): boolean => NODE_ENV === 'production';

/** @returns a sentence if RELEASE is invalid */
export function findProcessProblems({ RELEASE }: ProcessEnvironment): string[] {
  // Semantic Versioning 2.0.0, clause 10: the characters allowed after the plus.
  if (!RELEASE || /^[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*$/.test(RELEASE)) return [];
  return ['RELEASE may contain only letters, digits, hyphens and dots.'];
}

/** Reads settings that {@link findProcessProblems} has accepted. */
export function readProcessSettings(env: ProcessEnvironment) {
  const production = isProduction(env);
  const version = readVersion(findProjectRoot());
  return {
    nodeEnv: env.NODE_ENV,
    production,
    version: env.RELEASE ? `${version}+${env.RELEASE}` : version,
    port: env.PORT,
    host: env.HOST ?? (production ? '0.0.0.0' : '127.0.0.1'),
    logLevel: env.LOG_LEVEL,
  };
}
