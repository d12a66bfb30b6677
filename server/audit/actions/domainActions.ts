import { z } from 'zod';
import type { ActionGroup } from './actionGroup';
import { via } from './detailFields';

const domain = z.string();
const state = z.enum(['waiting', 'proven', 'failing', 'lost']);
/** What the look found: no TXT record, or others. */
const finding = z.enum(['missing', 'differs']);
const entity = { type: 'Domain', name: 'domain' };

/** The actions on domains that a tenant proves by DNS. */
export const DOMAIN_ACTIONS = {
  DOMAIN_ADDED: {
    details: z.strictObject({ domain, via }),
    ocsf: {
      class: 'entity',
      activity: 'Create',
      severity: 'Low',
      message: 'A domain was added, which has no effect before it is proven',
      entity,
    },
  },
  // `before` is `failing` if the record came back in time.
  DOMAIN_PROVEN: {
    details: z.strictObject({ domain, before: state }),
    ocsf: {
      class: 'entity',
      activity: 'Update',
      severity: 'Low',
      message: 'A domain was proven by its TXT record',
      entity,
    },
  },
  // The proof still counts until `lostAfter`, and longer if DNS cannot be asked.
  DOMAIN_PROOF_FAILING: {
    details: z.strictObject({ domain, finding, lostAfter: z.string() }),
    ocsf: {
      class: 'entity',
      activity: 'Update',
      severity: 'Medium',
      message: 'The TXT record of a proven domain is gone',
      entity,
    },
  },
  DOMAIN_PROOF_LOST: {
    details: z.strictObject({
      domain,
      finding,
      failingSince: z.string(),
      /** The looks in a row that found the record gone. */
      looks: z.number().int().min(1),
    }),
    ocsf: {
      class: 'entity',
      activity: 'Update',
      severity: 'Medium',
      message: 'A domain is no longer proven',
      entity,
    },
  },
  DOMAIN_REMOVED: {
    details: z.strictObject({
      domain,
      before: state,
      reason: z.literal('tenant_deleted').optional(),
      via,
    }),
    ocsf: {
      class: 'entity',
      activity: 'Delete',
      severity: 'Low',
      message: 'A domain was removed',
      entity,
    },
  },
} satisfies ActionGroup;
