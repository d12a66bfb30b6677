import { z } from 'zod';
import type { ActionGroup } from './actionGroup';

const count = z.number().int().min(0);

/** The actions of people on their own account. The log holds no name and no address: it cannot be edited. */
export const PROFILE_ACTIONS = {
  PROFILE_CHANGED: {
    details: z.strictObject({ field: z.literal('name'), change: z.enum(['set', 'removed']) }),
    ocsf: {
      class: 'account',
      activity: 'Profile Change',
      severity: 'Informational',
      message: 'A person changed their own profile',
    },
  },
  // The password was wrong, or was not checked because too many tries had failed.
  EMAIL_CHANGE_REFUSED: {
    details: z.strictObject({ reason: z.enum(['wrong_password', 'account_locked']) }),
    ocsf: {
      class: 'account',
      activity: 'Email Change Refusal',
      severity: 'Medium',
      message: 'A change of an address was refused',
    },
  },
  // The event does not show whether somebody else has the address: nobody may learn that from the log.
  EMAIL_CHANGE_REQUESTED: {
    details: z.strictObject({}),
    ocsf: {
      class: 'account',
      activity: 'Email Change Request',
      severity: 'Low',
      message: 'A person asked to change their e-mail address',
    },
  },
  OWN_DATA_EXPORTED: {
    details: z.strictObject({ sessions: count, events: count }),
    ocsf: {
      class: 'api',
      activity: 'Read',
      severity: 'Low',
      message: 'A person exported the data about themselves',
    },
  },
} satisfies ActionGroup;
