import { z } from 'zod';
import type { ActionGroup } from './actionGroup';
import { via } from './detailFields';

const list = z.array(z.string());
/** The properties of a tenant's key that can be changed. */
const properties = z.strictObject({ name: z.string(), permissions: list, addresses: list });
const entity = { type: 'API Key', name: 'API key' };
const serviceEntity = { type: 'Service Key', name: 'service key' };
/** The staff id of the member whose permissions the key uses. */
const holder = z.string();
const overlapSec = z.number().int().min(0);

/** The actions on keys of programs. No event holds a key or its hash. */
export const API_KEY_ACTIONS = {
  API_KEY_CREATED: {
    details: properties.extend({ holder, expiresAt: z.string(), via }),
    ocsf: {
      class: 'entity',
      activity: 'Create',
      severity: 'Medium',
      message: 'An API key of a tenant was created',
      entity,
    },
  },
  API_KEY_CHANGED: {
    details: z.strictObject({ before: properties, after: properties, holder, via }),
    ocsf: {
      class: 'entity',
      activity: 'Update',
      severity: 'Medium',
      message: 'An API key of a tenant was changed',
      entity,
    },
  },
  // The key has a new secret. The one before stays valid for `overlapSec`.
  API_KEY_ROTATED: {
    details: z.strictObject({ overlapSec, expiresAt: z.string(), holder, via }),
    ocsf: {
      class: 'entity',
      activity: 'Key Rotation',
      severity: 'Low',
      message: 'An API key of a tenant got a new secret',
      entity,
    },
  },
  // `forced_end`: its secret was issued in a session that was ended by force. `holder_left`: the holder was removed
  // from the tenant. `via` is missing if the key ended with something else.
  API_KEY_REVOKED: {
    details: z.strictObject({
      reason: z.enum(['revoked', 'forced_end', 'holder_left', 'tenant_deleted']),
      holder,
      via: via.optional(),
    }),
    ocsf: {
      class: 'entity',
      activity: 'Delete',
      severity: 'Low',
      message: 'An API key of a tenant was revoked',
      entity,
    },
  },
  // A key was refused: from an address that it does not allow, because its holder has no access, or because this text
  // of it has ended. `repeated` counts the refusals since the event before.
  API_KEY_REFUSED: {
    details: z.strictObject({
      reason: z.enum(['address', 'holder', 'revoked', 'expired', 'rotated']),
      repeated: z.number().int().min(0),
    }),
    ocsf: {
      class: 'entity',
      activity: 'Key Refusal',
      severity: 'Medium',
      message: 'A key of a program was refused',
      disposition: 'Blocked',
      entity,
    },
  },
  SERVICE_KEY_CREATED: {
    details: z.strictObject({
      name: z.string(),
      scopes: list,
      addresses: list,
      expiresAt: z.string().nullable(),
      via,
    }),
    ocsf: {
      class: 'entity',
      activity: 'Create',
      severity: 'High',
      message: 'A service key was created',
      entity: serviceEntity,
    },
  },
  SERVICE_KEY_ROTATED: {
    details: z.strictObject({ overlapSec, expiresAt: z.string().nullable(), via }),
    ocsf: {
      class: 'entity',
      activity: 'Key Rotation',
      severity: 'Low',
      message: 'A service key got a new secret',
      entity: serviceEntity,
    },
  },
  SERVICE_KEY_REVOKED: {
    details: z.strictObject({ via }),
    ocsf: {
      class: 'entity',
      activity: 'Delete',
      severity: 'Low',
      message: 'A service key was revoked',
      entity: serviceEntity,
    },
  },
} satisfies ActionGroup;
