import { z } from 'zod';
import type { ActionGroup } from './actionGroup';
import { via } from './detailFields';

/** The actions that concern the audit log itself, and its delivery. */
export const AUDIT_LOG_ACTIONS = {
  // The log is shorter than it was, or a different one: a backup was restored, or a failover lost the end of it. The
  // sign-outs and forced logouts of that time are undone too: `admin sessions end` ends the sessions that may have
  // come back.
  AUDIT_LOG_ROLLED_BACK: {
    details: z
      .strictObject({
        // `checkpoint` is null if a file found the loss: it holds only notes, so the number of the lost one is unknown.
        known: z.strictObject({ checkpoint: z.number().int().nullable(), note: z.string() }),
        by: z.enum(['sealer', 'file', 'webhook']),
      })
      .or(
        z.strictObject({
          leaf: z.strictObject({
            logId: z.uuid(),
            leafIndex: z.number().int(),
            leafHash: z.string(),
          }),
          by: z.literal('feed'),
        }),
      ),
    ocsf: {
      class: 'finding',
      activity: 'Create',
      severity: 'Critical',
      message:
        'The end of the audit log is missing: an older backup was restored, or a failover lost it. Sign-outs of that time may have been undone',
      has: ['alert'],
    },
  },
  // An operator moved the feed's cursor to send events again or to skip some: `to` is the next leaf to be sent.
  EVENT_FEED_MOVED: {
    details: z.strictObject({
      logId: z.uuid(),
      from: z.number().int().min(0),
      to: z.number().int().min(0),
      via,
    }),
    ocsf: {
      class: 'entity',
      activity: 'Update',
      severity: 'Medium',
      message: 'An operator made the live feed send events again, or skip some',
      entity: { type: 'Event Feed', name: 'event feed' },
    },
  },
  // Before the log grew, it did not match its signed checkpoint: it was rewritten, or the key that signed it is not
  // trusted.
  AUDIT_LOG_REWRITTEN: {
    details: z.strictObject({ logId: z.uuid(), size: z.number().int().min(1) }),
    ocsf: {
      class: 'finding',
      activity: 'Create',
      severity: 'Critical',
      message: 'The audit log does not match its signed checkpoint',
      has: ['alert'],
    },
  },
  // The database is a copy, restored into another cluster.
  AUDIT_LOG_MOVED: {
    details: z.strictObject({ sealed: z.number().int().min(0) }),
    ocsf: {
      class: 'lifecycle',
      activity: 'Database Move',
      severity: 'Medium',
      message: 'The database is a copy that was restored into another cluster',
    },
  },
} satisfies ActionGroup;
