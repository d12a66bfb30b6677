import { DAY_MS, HOUR_MS } from '../durations';
import { integer } from './settingTypes';
import type { SettingsOf } from './settingTypes';

const hoursIn = (days: number) => (days * DAY_MS) / HOUR_MS;

/** The settings of invitations. */
export const invitationSettings = {
  INVITATION_TTL_HOURS: integer(hoursIn(7), 1, hoursIn(30)),
};

/** Reads the settings of invitations. */
export const readInvitationSettings = (env: SettingsOf<typeof invitationSettings>) => ({
  invitationTtlHours: env.INVITATION_TTL_HOURS,
});
