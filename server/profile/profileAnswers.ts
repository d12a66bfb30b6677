import { z } from 'zod';
import { moment, nextCursor, rowId } from '../http/answers';

/** The caller's name. */
export const ownName = z.object({ name: z.string().nullable() }).meta({ id: 'OwnName' });

/** An event, as the person whom it is about sees it. */
const ownEvent = z
  .object({
    id: rowId,
    occurredAt: moment,
    action: z.string().meta({ examples: ['AUTH_LOGIN_SUCCEEDED'] }),
    outcome: z.string().meta({ examples: ['success'] }),
    by: z.enum(['you', 'member', 'operator', 'anonymous']),
    subject: z.string().nullable(),
    sessionId: rowId.nullable(),
    ip: z.string().nullable(),
    country: z.string().nullable(),
    device: z.string().nullable(),
    details: z.unknown(),
  })
  .meta({ id: 'OwnEvent' });

/** A page of the caller's own events. */
export const ownEvents = z
  .object({ events: z.array(ownEvent), nextCursor })
  .meta({ id: 'OwnEventPage' });

/** The file of the data about the caller; docs/profile.md explains its lists. */
export const ownData = z
  .looseObject({
    format: z.literal('gatehouse-own-data-1'),
    createdAt: moment,
    tenant: z.object({ id: rowId, slug: z.string(), name: z.string() }),
    events: z.array(ownEvent),
    eventsNextCursor: nextCursor,
  })
  .meta({ id: 'OwnData' });

/** A change of the address that waits for its confirmation. */
export const pendingEmail = z
  .object({ email: z.string().meta({ examples: ['ada@example.com'] }), expiresAt: moment })
  .meta({ id: 'PendingEmail' });
