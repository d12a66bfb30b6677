import { randomUUID } from 'node:crypto';
import { decoys } from './aim';
import type { Sweep } from './aim';

/** The foreign ids that can be sent to the routes of domains. */
export const DOMAIN_SWEEP: Sweep = {
  'get /api/tenants/domains': () => [{ expected: 200 }],
  'post /api/tenants/domains': (ids) => [
    { body: { domain: `${randomUUID()}.example` }, expected: 201 },
    { body: { domain: `${randomUUID()}.example`, ...decoys(ids) }, expected: 400 },
    { body: { domain: `${randomUUID()}.example`, id: ids.domainId }, expected: 400 },
  ],
  'post /api/tenants/domains/:id/check': ({ domainId, tenantId }) =>
    [domainId, domainId.toUpperCase(), tenantId].map((id) => ({
      path: `/api/tenants/domains/${id}/check`,
      expected: 404,
    })),
  'delete /api/tenants/domains/:id': ({ domainId, tenantId }) =>
    [domainId, domainId.toUpperCase(), tenantId].map((id) => ({
      path: `/api/tenants/domains/${id}`,
      expected: 404,
    })),
};
