import { join } from 'node:path';
import { z } from 'zod';
import {
  checkpointSettings,
  findCheckpointProblems,
  readCheckpointSettings,
} from './checkpointSettings';
import {
  declarationSettings,
  findDeclarationProblems,
  readDeclarationSettings,
} from './declarationSettings';
import {
  databaseSettings,
  findDatabaseProblems,
  findMissingDatabase,
  readDatabaseSettings,
} from './databaseSettings';
import { dnsSettings, findDnsProblems, readDnsSettings } from './dnsSettings';
import { EnvironmentFileError, addEnvironmentFile } from './environmentFile';
import {
  eventFeedSettings,
  findEventFeedProblems,
  readEventFeedSettings,
} from './eventFeedSettings';
import { folderSettings, readFolderSettings } from './folderSettings';
import { findHttpProblems, httpSettings, readHttpSettings } from './httpSettings';
import { invitationSettings, readInvitationSettings } from './invitationSettings';
import { findKeyProblems, findMissingKeys, keySettings, readSecrets } from './keySettings';
import type { Secrets } from './keySettings';
import { findMailProblems, mailSettings, readMailSettings } from './mailSettings';
import { operatorSettings, readOperators } from './operatorSettings';
import { findPasswordProblems, passwordSettings, readPasswordSettings } from './passwordSettings';
import { findProcessProblems, processSettings, readProcessSettings } from './processSettings';
import { rateLimitSettings, readRateLimitSettings } from './rateLimitSettings';
import { readRetentionSettings, retentionSettings } from './retentionSettings';
import { findRiskProblems, readRiskSettings, riskSettings } from './riskSettings';
import { findSchemaProblems, readSchemaSettings, schemaSettings } from './schemaSettings';
import { findSessionProblems, readSessionSettings, sessionSettings } from './sessionSettings';
import { describeSettingFault } from './settingFault';
import { findSsoProblems, readSsoSettings, ssoSettings } from './ssoSettings';
import { findUnknownSettings } from './unknownSettings';
import { findWebauthnProblems, readWebauthnSettings, webauthnSettings } from './webauthnSettings';

/** A setting is missing or invalid: `problems` holds one sentence for each. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
  }
}

export { readVersion } from './folderSettings';
export type { Secrets } from './keySettings';

/** Every setting, in the order in which faults are reported. */
export const settings = z.object({
  ...processSettings,
  ...databaseSettings,
  ...folderSettings,
  ...schemaSettings,
  ...operatorSettings,
  ...httpSettings,
  ...keySettings,
  ...checkpointSettings,
  ...eventFeedSettings,
  ...sessionSettings,
  ...webauthnSettings,
  ...passwordSettings,
  ...rateLimitSettings,
  ...riskSettings,
  ...retentionSettings,
  ...mailSettings,
  ...dnsSettings,
  ...declarationSettings,
  ...invitationSettings,
  ...ssoSettings,
});

type Settings = z.infer<typeof settings>;

/** Finds the faults of settings that could be parsed: missing ones first. */
const findProblems = (env: Settings): string[] => [
  ...findMissingDatabase(env),
  ...findMissingKeys(env),
  ...findPasswordProblems(env),
  ...findDatabaseProblems(env),
  ...findProcessProblems(env),
  ...findSchemaProblems(env),
  ...findRiskProblems(env),
  ...findKeyProblems(env),
  ...findHttpProblems(env),
  ...findMailProblems(env),
  ...findDnsProblems(env),
  ...findCheckpointProblems(env),
  ...findEventFeedProblems(env),
  ...findWebauthnProblems(env),
  ...findDeclarationProblems(env),
  ...findSessionProblems(env),
  ...findSsoProblems(env),
];

const buildConfig = (env: Settings) => ({
  ...readProcessSettings(env),
  ...readDatabaseSettings(env),
  ...readFolderSettings(env),
  ...readSchemaSettings(env),
  ...readOperators(env),
  ...readHttpSettings(env),
  secrets: readSecrets(env),
  checkpoints: readCheckpointSettings(env),
  eventFeed: readEventFeedSettings(env),
  ...readSessionSettings(env),
  webauthn: readWebauthnSettings(env),
  ...readPasswordSettings(env),
  ...readRateLimitSettings(env),
  ...readRiskSettings(env),
  ...readRetentionSettings(env),
  mail: readMailSettings(env),
  ...readDnsSettings(env),
  ...readDeclarationSettings(env),
  ...readInvitationSettings(env),
  ...readSsoSettings(env),
});

export type Config = Readonly<
  ReturnType<typeof buildConfig> & {
    /** One sentence for each setting that looks like one of ours but is not. */
    unknownSettings: readonly string[];
  }
>;

/** A config with a database URL and secrets, as {@link createDeps} needs it. */
export type ReadyConfig = Config & { databaseUrl: string; secrets: Secrets };

/**
 * Adds the settings of `.env` in the working directory to the environment. Call it at the start of
 * a program.
 * @throws ConfigError if the file cannot be read or used
 */
export function readEnvironmentFile({ env, cwd }: Pick<NodeJS.Process, 'env' | 'cwd'>): void {
  try {
    addEnvironmentFile(env, join(cwd(), '.env'));
  } catch (error) {
    throw error instanceof EnvironmentFileError ? new ConfigError([error.message]) : error;
  }
}

/**
 * Finds the remaining faults if some settings cannot be parsed, so that one start reports all of
 * them.
 */
function furtherFaults(env: NodeJS.ProcessEnv, { issues }: z.ZodError): string[] {
  const unread = new Set(issues.map(({ path }) => String(path[0])));
  // The rules for the other settings depend on NODE_ENV.
  if (unread.has('NODE_ENV')) return [];
  const rest = settings.safeParse(
    Object.fromEntries(Object.entries(env).filter(([name]) => !unread.has(name))),
  );
  if (!rest.success) return [];
  // Skip faults that compare with the default of an unparsed setting.
  const isAboutUnread = (problem: string) =>
    (problem.match(/\b[A-Z][A-Z0-9_]+\b/g) ?? []).some((name) => unread.has(name));
  return findProblems(rest.data).filter((problem) => !isAboutUnread(problem));
}

/**
 * Reads every setting from the environment, once.
 * @param env the environment; `process.env` unless a test passes another one
 * @returns the frozen settings; `databaseUrl` and `secrets` are undefined in embedded mode
 * @throws ConfigError with one sentence for each missing or invalid setting
 */
export function loadConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const parsed = settings.safeParse(env);
  const unknown = findUnknownSettings(env, Object.keys(settings.shape));
  const problems = parsed.success
    ? findProblems(parsed.data)
    : [...parsed.error.issues.map(describeSettingFault), ...furtherFaults(env, parsed.error)];
  // A missing setting may be present under a misspelt name.
  if (!parsed.success || problems.length > 0) throw new ConfigError([...problems, ...unknown]);
  return Object.freeze({ ...buildConfig(parsed.data), unknownSettings: unknown });
}

/**
 * Asserts that the database URL and the secrets are set.
 * @throws ConfigError if only a starting server would supply them
 */
export function requireReady(config: Config): ReadyConfig {
  const { databaseUrl, secrets } = config;
  if (databaseUrl === undefined) {
    throw new ConfigError(['DATABASE_URL is missing: only `npm start` has its own database.']);
  }
  if (secrets === undefined) throw new ConfigError(['The keys are missing: see .env.example.']);
  return { ...config, databaseUrl, secrets };
}
