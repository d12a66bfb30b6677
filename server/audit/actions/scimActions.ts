import { z } from 'zod';
import type { ActionGroup } from './actionGroup';
import { provenance, via } from './detailFields';

/**
 * The actions of a tenant's directory on what it says about members. What follows from them for the
 * membership is an event of its own. The texts themselves are personal data and stay in the row.
 */
export const SCIM_ACTIONS = {
  // `created`: a new member. `adopted`: they were a member already. `rejoined`: SCIM had removed them.
  SCIM_USER_CREATED: {
    details: z.strictObject({
      how: z.enum(['created', 'adopted', 'rejoined']),
      active: z.boolean(),
      via,
      ...provenance,
    }),
    ocsf: {
      class: 'account',
      activity: 'Create',
      severity: 'Low',
      message: 'A directory took a member over',
    },
  },
  // The names of the attributes that changed. `active` is given if it is one of them.
  SCIM_USER_CHANGED: {
    details: z.strictObject({
      fields: z.array(z.string()),
      active: z.strictObject({ before: z.boolean(), after: z.boolean() }).optional(),
      via,
      ...provenance,
    }),
    ocsf: {
      class: 'account',
      activity: 'Update',
      severity: 'Low',
      message: 'A directory changed what it says about a member',
    },
  },
  SCIM_USER_DELETED: {
    details: z.strictObject({ via, ...provenance }),
    ocsf: {
      class: 'account',
      activity: 'Delete',
      severity: 'Low',
      message: 'A directory deleted a member',
    },
  },
} satisfies ActionGroup;
