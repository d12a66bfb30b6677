import { resolve } from 'node:path';
import { ConfigError, findProjectRoot, settings } from './config';
import { objectionToDatabaseUrl, spellOutTlsMode } from './databaseSettings';
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
 * The little that reading and checking evidence takes: whoever audits has no key of the server, and needs none.
 * @returns `keys`: PEMs that the environment names, private or public
 * @throws ConfigError naming the setting that is wrong
 */
export function loadEvidenceConfig(env: NodeJS.ProcessEnv = process.env) {
  const parsed = evidenceSettings.safeParse(env);
  if (!parsed.success) {
    throw new ConfigError(parsed.error.issues.map(describeSettingFault));
  }
  const { NODE_ENV, DATABASE_URL, GATEHOUSE_DATA_DIR, ...keys } = parsed.data;
  const objection = DATABASE_URL === undefined ? undefined : objectionToDatabaseUrl(DATABASE_URL);
  if (objection !== undefined) throw new ConfigError([objection]);
  const own = keys.EVIDENCE_SIGNING_KEY ? [unescapePem(keys.EVIDENCE_SIGNING_KEY)] : [];
  return {
    databaseUrl: DATABASE_URL === undefined ? undefined : spellOutTlsMode(DATABASE_URL),
    dataDir: resolve(findProjectRoot(), GATEHOUSE_DATA_DIR),
    keysAreLocal: NODE_ENV !== 'production' && own.length === 0,
    keys: [...own, ...splitPems(keys.EVIDENCE_RETIRED_KEYS)],
  };
}
