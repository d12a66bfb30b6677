import { existsSync } from 'node:fs';
import { integer, splitNames, text } from './settingTypes';
import type { SettingsOf } from './settingTypes';

/** The settings of risk scoring. */
export const riskSettings = {
  ANOMALY_TIMEOUT_MS: integer(250, 1, 5000),
  GEOIP_DB: text(),
  GEOIP_ASN_DB: text(),
  IP_LISTS: text(),
};

type RiskEnvironment = SettingsOf<typeof riskSettings>;

/** @returns a sentence for each setting that names a missing file */
export function findRiskProblems(env: RiskEnvironment): string[] {
  return (['GEOIP_DB', 'GEOIP_ASN_DB', 'IP_LISTS'] as const)
    .filter((name) => splitNames(env[name]).some((path) => !existsSync(path)))
    .map((name) => `${name} names a file that does not exist.`);
}

/** Reads settings that {@link findRiskProblems} has accepted. */
export const readRiskSettings = (env: RiskEnvironment) => ({
  anomalyTimeoutMs: env.ANOMALY_TIMEOUT_MS,
  geoipDb: env.GEOIP_DB,
  geoipAsnDb: env.GEOIP_ASN_DB,
  ipLists: splitNames(env.IP_LISTS),
});
