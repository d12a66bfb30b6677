import { z } from 'zod';
import { moment, nextCursor, rowId } from '../http/answers';
import { SERVICE_SCOPE_NAMES } from '../serviceScopes';

/** The service key of the caller. */
export const ownServiceKey = z
  .object({
    id: rowId,
    name: z.string().meta({ examples: ['Billing job'] }),
    scopes: z.array(z.string()).meta({ examples: [[...SERVICE_SCOPE_NAMES]] }),
    expiresAt: moment.nullable(),
  })
  .meta({ id: 'ServiceKey' });

const status = z.enum(['active', 'suspended', 'deleted']);
const slug = z.string().meta({ examples: ['globex'] });

/** A page of tenants. */
export const serviceTenantPage = z
  .object({
    tenants: z.array(
      z.object({ tenantId: rowId, slug, name: z.string(), status, createdAt: moment }),
    ),
    nextCursor,
  })
  .meta({ id: 'ServiceTenantPage' });

/** A tenant, with what is left to end if its suspension was interrupted. */
export const serviceTenant = z
  .object({
    tenantId: rowId,
    slug,
    name: z.string(),
    status,
    needsApproval: z.boolean(),
    createdAt: moment,
    suspendedAt: moment.nullable(),
    deletedAt: moment.nullable(),
    members: z.object({ active: z.int(), disabled: z.int() }),
    accessLeft: z.int().meta({ description: 'The members whose access still has to end' }),
  })
  .meta({ id: 'ServiceTenant' });
