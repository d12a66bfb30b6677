import { z } from 'zod';
import type { ActionGroup } from './actionGroup';

/** Reserved actions: views name them already; the features that write them come later. */
export const RESERVED_ACTIONS = {
  IMPERSONATION_STARTED: {
    details: z.strictObject({}),
    ocsf: {
      class: 'authentication',
      activity: 'Account Switch',
      severity: 'Medium',
      message: 'Somebody began to impersonate another person',
      has: ['impersonation'],
    },
  },
  IMPERSONATION_ENDED: {
    details: z.strictObject({}),
    ocsf: {
      class: 'authentication',
      activity: 'Impersonation End',
      severity: 'Informational',
      message: 'Somebody stopped impersonating another person',
      has: ['impersonation'],
    },
  },
  IP_RULE_CREATED: {
    details: z.strictObject({}),
    ocsf: {
      class: 'entity',
      activity: 'Create',
      severity: 'Low',
      message: 'A rule for addresses was created',
      entity: { type: 'IP Rule', name: 'IP rule' },
    },
  },
  IP_RULE_UPDATED: {
    details: z.strictObject({}),
    ocsf: {
      class: 'entity',
      activity: 'Update',
      severity: 'Low',
      message: 'A rule for addresses was changed',
      entity: { type: 'IP Rule', name: 'IP rule' },
    },
  },
  IP_RULE_DELETED: {
    details: z.strictObject({}),
    ocsf: {
      class: 'entity',
      activity: 'Delete',
      severity: 'Low',
      message: 'A rule for addresses was deleted',
      entity: { type: 'IP Rule', name: 'IP rule' },
    },
  },
} satisfies ActionGroup;
