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
  // A provider opened the session, and the person has now proven themselves in it too. With a mailed link nobody is
  // signed in where it is opened.
  OWN_PROOF_GIVEN: {
    details: z.strictObject({ with: z.enum(['current_password', 'mailed_link']) }),
    ocsf: {
      class: 'authentication',
      activity: 'Own Proof',
      severity: 'Low',
      message: 'A person proved that a session of a provider is theirs',
    },
  },
  OWN_PROOF_REQUESTED: {
    details: z.strictObject({}),
    ocsf: {
      class: 'authentication',
      activity: 'Own Proof Request',
      severity: 'Low',
      message: 'A link was mailed to a person, to prove that a session is theirs',
    },
  },
  // The password was wrong, or was not checked because too many tries had failed.
  OWN_PROOF_REFUSED: {
    details: z.strictObject({ reason: z.enum(['wrong_password', 'account_locked']) }),
    ocsf: {
      class: 'authentication',
      activity: 'Own Proof Refusal',
      severity: 'Medium',
      message: 'A person did not prove that a session is theirs',
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
