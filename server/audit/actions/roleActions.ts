import { z } from 'zod';
import type { ActionGroup } from './actionGroup';
import { provenance, via } from './detailFields';

const role = z.strictObject({
  name: z.string(),
  description: z.string(),
  permissions: z.array(z.string()),
});
const sentence = z.strictObject({ description: z.string(), privileged: z.boolean() });
const permission = { type: 'Permission', name: 'permission' };
const entity = { type: 'Role', name: 'role' };

/** The actions that change what can be given: a tenant's own roles, and the team's own permissions. */
export const ROLE_ACTIONS = {
  ROLE_CREATED: {
    details: z.strictObject({ after: role, via, ...provenance }),
    ocsf: {
      class: 'entity',
      activity: 'Create',
      severity: 'Low',
      message: 'A role of a tenant was created',
      entity,
    },
  },
  // Each holder whose permissions change has a STAFF_PERMISSIONS_CHANGED of their own.
  ROLE_UPDATED: {
    details: z.strictObject({
      ...{ before: role, after: role, holders: z.number().int().min(0) },
      ...{ via, ...provenance },
    }),
    ocsf: {
      class: 'entity',
      activity: 'Update',
      severity: 'Low',
      message: 'A role of a tenant was changed',
      entity,
    },
  },
  ROLE_DELETED: {
    details: z.strictObject({ before: role, via }),
    ocsf: {
      class: 'entity',
      activity: 'Delete',
      severity: 'Low',
      message: 'A role of a tenant was deleted',
      entity,
    },
  },
  // `before` is null for a new one, and for one that had been withdrawn.
  PERMISSION_DECLARED: {
    details: z.strictObject({ before: sentence.nullable(), after: sentence }),
    ocsf: {
      class: 'entity',
      activity: 'Permission Declaration',
      severity: 'Low',
      message: 'A permission of the team was declared',
      entity: permission,
    },
  },
  PERMISSION_WITHDRAWN: {
    details: z.strictObject({ before: sentence }),
    ocsf: {
      class: 'entity',
      activity: 'Delete',
      severity: 'Medium',
      message: 'A permission of the team was withdrawn',
      entity: permission,
    },
  },
} satisfies ActionGroup;
