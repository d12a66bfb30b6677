import { z } from 'zod';
import type { ActionGroup } from './actionGroup';
import { via } from './detailFields';

/** The schema of the details has been checked before; its fields are names that the team chose. */
const type = z.strictObject({ sentence: z.string(), details: z.record(z.string(), z.unknown()) });
const entity = { type: 'Event Type', name: 'event type' };

/** The actions on the types of events that the team's own product reports. */
export const EVENT_TYPE_ACTIONS = {
  // `before` is null for a new one, and for one that had been withdrawn.
  EVENT_TYPE_DECLARED: {
    details: z.strictObject({ before: type.nullable(), after: type, via }),
    ocsf: {
      class: 'entity',
      activity: 'Event Type Declaration',
      severity: 'Low',
      message: "A type of the product's own events was declared",
      entity,
    },
  },
  EVENT_TYPE_WITHDRAWN: {
    details: z.strictObject({ before: type, via }),
    ocsf: {
      class: 'entity',
      activity: 'Delete',
      severity: 'Medium',
      message: "A type of the product's own events was withdrawn",
      entity,
    },
  },
} satisfies ActionGroup;
