import { ConfigError, settings } from '.';
import { findDatabaseUrlProblem, spellOutTlsMode } from './databaseSettings';
import { readDataDir } from './folderSettings';
import { splitPems, unescapePem } from './keySettings';
import { describeSettingFault } from './settingFault';

const evidenceSettings = settings.pick({
  NODE_ENV: true,
  DATABASE_URL: true,
  GATEHOUSE_DATA_DIR: true,
  EVIDENCE_SIGNING_KEY: true,
  EVIDENCE_RETIRED_KEYS: true,
});

/**
 * Reads the few settings that reading and checking evidence needs: an auditor has none of the
 * server's private keys, and needs none.
 * @returns `keys`: the PEMs in the environment, private or public
 * @throws ConfigError naming the invalid setting
 */
export function loadEvidenceConfig(env: NodeJS.ProcessEnv = process.env) {
  const parsed = evidenceSettings.safeParse(env);
  if (!parsed.success) {
    throw new ConfigError(parsed.error.issues.map(describeSettingFault));
  }
  const { NODE_ENV, DATABASE_URL, GATEHOUSE_DATA_DIR, ...keys } = parsed.data;
  const problem = DATABASE_URL === undefined ? undefined : findDatabaseUrlProblem(DATABASE_URL);
  if (problem !== undefined) throw new ConfigError([problem]);
  const own = keys.EVIDENCE_SIGNING_KEY ? [unescapePem(keys.EVIDENCE_SIGNING_KEY)] : [];
  return {
    databaseUrl: DATABASE_URL === undefined ? undefined : spellOutTlsMode(DATABASE_URL),
    dataDir: readDataDir({ GATEHOUSE_DATA_DIR }),
    keysAreLocal: NODE_ENV !== 'production' && own.length === 0,
    keys: [...own, ...splitPems(keys.EVIDENCE_RETIRED_KEYS)],
  };
}
