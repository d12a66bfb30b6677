import { integer, textOr } from './settingTypes';
import type { SettingsOf } from './settingTypes';

const DAY_SEC = 86_400;

/** The settings of tokens, sessions and step-up. */
export const sessionSettings = {
  // The same on every node, whatever its port, because each node must accept the tokens of the
  // others.
  JWT_ISSUER: textOr('urn:gatehouse'),
  JWT_AUDIENCE: textOr('gatehouse'),
  ACCESS_TOKEN_TTL_SEC: integer(300, 30, 900),
  REFRESH_IDLE_SEC: integer(7 * DAY_SEC, 60, 30 * DAY_SEC),
  REFRESH_ABSOLUTE_SEC: integer(30 * DAY_SEC, 60, 30 * DAY_SEC),
  REFRESH_SHORT_SEC: integer(DAY_SEC / 2, 60, 30 * DAY_SEC),
  REFRESH_SHORT_IDLE_SEC: integer(7200, 60, 30 * DAY_SEC),
  LOST_ANSWER_SEC: integer(600, 0, 3600),
  STEP_UP_MAX_WINDOW_SEC: integer(900, 30, 900),
};

/** Reads the settings of tokens, sessions and step-up. */
export const readSessionSettings = (env: SettingsOf<typeof sessionSettings>) => ({
  jwtIssuer: env.JWT_ISSUER,
  jwtAudience: env.JWT_AUDIENCE,
  accessTokenTtlSec: env.ACCESS_TOKEN_TTL_SEC,
  refreshIdleSec: env.REFRESH_IDLE_SEC,
  refreshAbsoluteSec: env.REFRESH_ABSOLUTE_SEC,
  refreshShortSec: env.REFRESH_SHORT_SEC,
  refreshShortIdleSec: Math.min(env.REFRESH_SHORT_IDLE_SEC, env.REFRESH_SHORT_SEC),
  lostAnswerSec: env.LOST_ANSWER_SEC,
  stepUpMaxWindowSec: env.STEP_UP_MAX_WINDOW_SEC,
});
