import { integer } from './settingTypes';
import type { SettingsOf } from './settingTypes';

/** How many days the hourly maintenance keeps rows. */
export const retentionSettings = {
  RISK_DECISIONS_KEEP_DAYS: integer(400, 31, 3650),
  IMPERSONATIONS_KEEP_DAYS: integer(400, 31, 3650),
  SESSIONS_KEEP_DAYS: integer(30, 1, 3650),
  CHALLENGES_KEEP_DAYS: integer(30, 1, 3650),
};

/** Reads for how many days rows are kept. */
export const readRetentionSettings = (env: SettingsOf<typeof retentionSettings>) => ({
  riskDecisionsKeepDays: env.RISK_DECISIONS_KEEP_DAYS,
  impersonationsKeepDays: env.IMPERSONATIONS_KEEP_DAYS,
  sessionsKeepDays: env.SESSIONS_KEEP_DAYS,
  challengesKeepDays: env.CHALLENGES_KEEP_DAYS,
});
