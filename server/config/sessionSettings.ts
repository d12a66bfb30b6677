import { DAY_SEC, HOUR_SEC, MINUTE_SEC } from '../durations';
import { integer, textOr } from './settingTypes';
import type { SettingsOf } from './settingTypes';

/** The longest time for which an access token can be issued. */
export const LONGEST_ACCESS_TOKEN_SEC = 15 * MINUTE_SEC;
/** The greatest age of a proof at a guarded route, in the policies of tenants too. */
export const LONGEST_STEP_UP_WINDOW_SEC = 15 * MINUTE_SEC;

/** The settings of tokens, sessions and step-up. */
export const sessionSettings = {
  // The same on every node, whatever its port, because each node must accept the tokens of the
  // others.
  JWT_ISSUER: textOr('urn:gatehouse'),
  JWT_AUDIENCE: textOr('gatehouse'),
  FORWARD_AUTH_AUDIENCE: textOr('gatehouse-upstream'),
  ACCESS_TOKEN_TTL_SEC: integer(5 * MINUTE_SEC, 30, LONGEST_ACCESS_TOKEN_SEC),
  REFRESH_IDLE_SEC: integer(7 * DAY_SEC, MINUTE_SEC, 30 * DAY_SEC),
  REFRESH_ABSOLUTE_SEC: integer(30 * DAY_SEC, MINUTE_SEC, 30 * DAY_SEC),
  REFRESH_SHORT_SEC: integer(12 * HOUR_SEC, MINUTE_SEC, 30 * DAY_SEC),
  REFRESH_SHORT_IDLE_SEC: integer(2 * HOUR_SEC, MINUTE_SEC, 30 * DAY_SEC),
  LOST_ANSWER_SEC: integer(10 * MINUTE_SEC, 0, HOUR_SEC),
  STEP_UP_MAX_WINDOW_SEC: integer(LONGEST_STEP_UP_WINDOW_SEC, 30, LONGEST_STEP_UP_WINDOW_SEC),
};

/** Finds an audience that two kinds of tokens share, so one could pass as the other. */
export const findSessionProblems = (env: SettingsOf<typeof sessionSettings>): string[] =>
  env.JWT_AUDIENCE === env.FORWARD_AUTH_AUDIENCE
    ? ['FORWARD_AUTH_AUDIENCE must differ from JWT_AUDIENCE.']
    : [];

/** Reads the settings of tokens, sessions and step-up. */
export const readSessionSettings = (env: SettingsOf<typeof sessionSettings>) => ({
  jwtIssuer: env.JWT_ISSUER,
  jwtAudience: env.JWT_AUDIENCE,
  forwardAuthAudience: env.FORWARD_AUTH_AUDIENCE,
  accessTokenTtlSec: env.ACCESS_TOKEN_TTL_SEC,
  refreshIdleSec: env.REFRESH_IDLE_SEC,
  refreshAbsoluteSec: env.REFRESH_ABSOLUTE_SEC,
  refreshShortSec: env.REFRESH_SHORT_SEC,
  refreshShortIdleSec: Math.min(env.REFRESH_SHORT_IDLE_SEC, env.REFRESH_SHORT_SEC),
  lostAnswerSec: env.LOST_ANSWER_SEC,
  stepUpMaxWindowSec: env.STEP_UP_MAX_WINDOW_SEC,
});
