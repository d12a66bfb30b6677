import { z } from 'zod';
import { rowId } from '../http/answers';

const change = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('session'), tenantId: rowId, sessionId: rowId }),
  z.object({ kind: z.literal('staff'), tenantId: rowId, userId: rowId, staffId: rowId }),
  z.object({ kind: z.literal('user'), userId: rowId }),
  z.object({ kind: z.literal('tenant'), tenantId: rowId }),
  z.object({ kind: z.literal('api_key'), tenantId: rowId, apiKeyId: rowId }),
  z.object({ kind: z.literal('service_key'), serviceKeyId: rowId }),
]);

/** A message about changes, as both routes send it. */
export const changeMessage = z
  .object({
    cursor: z.string().meta({
      description: 'Send it with the next request, so that nothing is missed',
      examples: ['q1VhmVOdZ5xF0bX3.7311'],
    }),
    elapsedMs: z.int().nullable().meta({
      description:
        'Everything that was committed until this long after the request arrived has been delivered; null if that is not known',
    }),
    keys: z.array(z.string()).meta({
      description: 'The ids (`kid`) of the keys with which the node accepts access tokens',
      examples: [['0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx']],
    }),
    reset: z
      .enum(['started', 'new_epoch', 'cursor_too_old', 'everything'])
      .optional()
      .meta({ description: 'Forget every answer that was kept' }),
    changes: z.array(change),
    oldestMs: z.int().optional().meta({
      description: 'The age of the oldest of the changes, by the clock of the database',
    }),
  })
  .meta({ id: 'AccessChanges' });
