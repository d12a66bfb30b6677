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
} satisfies ActionGroup;
