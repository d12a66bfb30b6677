import { z } from 'zod';
import type { ActionGroup } from './actionGroup';

const range = { from: z.string(), to: z.string(), format: z.enum(['csv', 'json', 'ocsf']) };

const exportKind = z.enum(['bundle', 'security_events']);

/** The actions of exports. */
export const EXPORT_ACTIONS = {
  DATA_EXPORT_REQUESTED: {
    details: z.strictObject({ kind: exportKind, ...range }),
    ocsf: {
      class: 'api',
      activity: 'Export Request',
      severity: 'Low',
      message: 'An export of data was asked for',
    },
  },
  DATA_EXPORT_COMPLETED: {
    details: z.strictObject({
      kind: exportKind,
      ...range,
      files: z.array(z.strictObject({ name: z.string(), rows: z.number().int() })),
      bytes: z.number().int(),
      // Only for a bundle: the signed head of the log that the bundle is proven against.
      checkpoint: z.strictObject({ size: z.number().int(), rootHash: z.string() }).optional(),
    }),
    ocsf: {
      class: 'api',
      activity: 'Read',
      severity: 'Low',
      message: 'Data was exported',
    },
  },
  DATA_EXPORT_FAILED: {
    details: z.strictObject({
      kind: exportKind,
      ...range,
      // `process_ended`: no end was recorded, and no process works on the export any more.
      reason: z.enum(['audit_log_busy', 'client_closed', 'database', 'error', 'process_ended']),
      // Nothing had been sent, so the proof that the export had used up can be used once more.
      proofGivenBack: z.literal(true).optional(),
    }),
    ocsf: {
      class: 'api',
      activity: 'Read',
      severity: 'Low',
      message: 'An export of data failed; part of it may have been sent',
    },
  },
} satisfies ActionGroup;
