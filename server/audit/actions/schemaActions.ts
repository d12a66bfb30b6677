import { z } from 'zod';
import type { ActionGroup } from './actionGroup';

/** `findings` lists the first fifty; `differences` counts all of them. */
const schemaHealth = z.strictObject({
  missing: z.array(z.string()),
  findings: z.array(z.string()).max(50),
  differences: z.number().int().min(0),
});

/** The actions of the database's schema. */
export const SCHEMA_ACTIONS = {
  SCHEMA_HEALTH_FAILED: {
    details: schemaHealth,
    ocsf: {
      class: 'error',
      activity: 'General Error',
      severity: 'High',
      message: 'The schema of the database differs from what this release expects',
    },
  },
  // The details describe the failure that has ended.
  SCHEMA_HEALTH_RESTORED: {
    details: schemaHealth,
    ocsf: {
      class: 'lifecycle',
      activity: 'Schema Repair',
      severity: 'Informational',
      message: 'The schema of the database matches this release again',
    },
  },
  // A null stands for a value that the caller did not give.
  SCHEMA_MIGRATED: {
    details: z.strictObject({
      tag: z.string(),
      hash: z.string(),
      durationMs: z.number().int().min(0),
      codeVersion: z.string().nullable(),
      appliedBy: z.string().nullable(),
    }),
    ocsf: {
      class: 'lifecycle',
      activity: 'Update',
      severity: 'Low',
      message: 'A migration of the database was applied',
    },
  },
} satisfies ActionGroup;
