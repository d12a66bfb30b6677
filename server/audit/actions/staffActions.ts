import { z } from 'zod';
import type { ActionGroup } from './actionGroup';
import { provenance, via } from './detailFields';

const permissions = z.array(z.string());

/** The actions that change tenants and their staff. */
export const STAFF_ACTIONS = {
  TENANT_CREATED: {
    details: z.strictObject({ slug: z.string(), via }),
    ocsf: {
      class: 'entity',
      activity: 'Create',
      severity: 'Low',
      message: 'A tenant was created',
      entity: { type: 'Organization', name: 'tenant' },
    },
  },
  STAFF_CREATED: {
    details: z.strictObject({
      permissions,
      roles: z.array(z.string()).optional(),
      // The id of the invitation that the person accepted.
      invitation: z.string().optional(),
      // The person had been a member before.
      rejoined: z.literal(true).optional(),
      via,
      ...provenance,
    }),
    ocsf: {
      class: 'account',
      activity: 'Create',
      severity: 'Low',
      message: 'A staff member was created',
    },
  },
  STAFF_DISABLED: {
    details: z.strictObject({ via, ...provenance }),
    ocsf: {
      class: 'account',
      activity: 'Disable',
      severity: 'Low',
      message: 'A staff member was disabled',
    },
  },
  // Since when the person had been disabled; the staff row forgets it.
  STAFF_ENABLED: {
    details: z.strictObject({ disabledAt: z.string().nullable(), via, ...provenance }),
    ocsf: {
      class: 'account',
      activity: 'Enable',
      severity: 'Low',
      message: 'A staff member was enabled',
    },
  },
  // The person was disabled and lost every permission and factor before; those are events of their own.
  STAFF_REMOVED: {
    details: z.strictObject({ via, ...provenance }),
    ocsf: {
      class: 'account',
      activity: 'Delete',
      severity: 'Low',
      message: 'A staff member was removed from a tenant',
    },
  },
  STAFF_PERMISSIONS_CHANGED: {
    details: z.strictObject({
      before: permissions,
      after: permissions,
      // The ids of the roles; missing in older events.
      rolesBefore: z.array(z.string()).optional(),
      rolesAfter: z.array(z.string()).optional(),
      via,
      ...provenance,
    }),
    ocsf: {
      class: 'account',
      activity: 'Permissions Change',
      severity: 'Low',
      message: 'The permissions of a staff member were changed',
    },
  },
  STAFF_UNLOCKED: {
    details: z.strictObject({ via }),
    ocsf: {
      class: 'account',
      activity: 'Unlock',
      severity: 'Low',
      message: 'A staff member was unlocked',
    },
  },
  // `normalized`: the same mailbox, now in its canonical spelling. The addresses themselves are only in the person's
  // row.
  STAFF_EMAIL_CHANGED: {
    details: z.strictObject({ change: z.enum(['renamed', 'normalized']), via }),
    ocsf: {
      class: 'account',
      activity: 'Email Address Change',
      severity: 'Low',
      message: 'The e-mail address of a staff member was changed',
    },
  },
} satisfies ActionGroup;
