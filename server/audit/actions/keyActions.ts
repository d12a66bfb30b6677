import { z } from 'zod';
import type { ActionGroup } from './actionGroup';

/** The actions of keys. */
export const KEY_ACTIONS = {
  // An operator vouched for a key that nothing in the database could prove.
  KEY_ADOPTED: {
    details: z.strictObject({ setting: z.string(), keyId: z.string() }),
    ocsf: {
      class: 'lifecycle',
      activity: 'Key Adoption',
      severity: 'High',
      message: 'An operator vouched for a key that the database could not prove',
    },
  },
} satisfies ActionGroup;
