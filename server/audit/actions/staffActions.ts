import { z } from 'zod';
import type { ActionGroup } from './actionGroup';
import { provenance, via } from './detailFields';

const permissions = z.array(z.string());

const TENANT = { type: 'Organization', name: 'tenant' };
const tenantStatus = z.enum(['active', 'suspended', 'deleted']);

/** The actions that change tenants and their staff. */
export const STAFF_ACTIONS = {
  TENANT_CREATED: {
    details: z.strictObject({ slug: z.string(), via }),
    ocsf: {
      class: 'entity',
      activity: 'Create',
      severity: 'Low',
      message: 'A tenant was created',
      entity: TENANT,
    },
  },
  TENANT_RENAMED: {
    details: z.strictObject({ before: z.string(), after: z.string(), via }),
    ocsf: {
      class: 'entity',
      activity: 'Update',
      severity: 'Low',
      message: 'A tenant was renamed',
      entity: TENANT,
    },
  },
  // The access of each member ends afterwards, with a SESSION_INVALIDATED of its own.
  TENANT_SUSPENDED: {
    details: z.strictObject({ before: tenantStatus, after: tenantStatus, via }),
    ocsf: {
      class: 'entity',
      activity: 'Suspend',
      severity: 'Medium',
      message: 'A tenant was suspended: nobody can sign in to it',
      entity: TENANT,
    },
  },
  // The time since which the tenant had been suspended. Its row no longer has it.
  TENANT_RESTORED: {
    details: z.strictObject({
      before: tenantStatus,
      after: tenantStatus,
      suspendedAt: z.string(),
      via,
    }),
    ocsf: {
      class: 'entity',
      activity: 'Resume',
      severity: 'Medium',
      message: 'A suspended tenant was restored',
      entity: TENANT,
    },
  },
  // The counts are the open ones that ended with the tenant.
  TENANT_DELETED: {
    details: z.strictObject({
      before: tenantStatus,
      after: tenantStatus,
      invitations: z.number().int().min(0),
      approvalRequests: z.number().int().min(0),
      emailChanges: z.number().int().min(0),
      // Missing in older events.
      apiKeys: z.number().int().min(0).optional(),
      domains: z.number().int().min(0).optional(),
      ssoConnections: z.number().int().min(0).optional(),
      identities: z.number().int().min(0).optional(),
      via,
    }),
    ocsf: {
      class: 'entity',
      activity: 'Delete',
      severity: 'High',
      message: 'A tenant was closed for good',
      entity: TENANT,
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
      // The end of the membership, if it has one.
      endsAt: z.string().optional(),
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
  // A directory had disabled the member. From now on only an administrator enables them.
  STAFF_KEPT_DISABLED: {
    details: z.strictObject({ via, ...provenance }),
    ocsf: {
      class: 'account',
      activity: 'Update',
      severity: 'Low',
      message: 'An administrator disabled a member whom a directory had disabled',
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
    details: z.strictObject({
      // The end that the membership had, if it had one.
      endsAt: z.string().optional(),
      via,
      ...provenance,
    }),
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
  STAFF_END_CHANGED: {
    details: z.strictObject({
      // Null: the membership has no end.
      before: z.string().nullable(),
      after: z.string().nullable(),
      via,
      ...provenance,
    }),
    ocsf: {
      class: 'account',
      activity: 'Update',
      severity: 'Low',
      message: 'The end of a membership was changed',
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
