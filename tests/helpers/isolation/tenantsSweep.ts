import { decoys } from './aim';
import type { Sweep } from './aim';

const role = { name: 'Aimed', description: '', permissions: [] };

/** The foreign ids that can be sent to the routes by which a tenant manages its people. */
export const TENANTS_SWEEP: Sweep = {
  'get /api/tenants/current': () => [{ expected: 200 }],
  'put /api/tenants/current': (ids) => [
    { body: { name: 'Aimed' }, expected: 200 },
    { body: { name: 'Aimed', ...decoys(ids) }, expected: 400 },
  ],
  'get /api/tenants/permissions': () => [{ expected: 200 }],
  'get /api/tenants/roles': () => [{ expected: 200 }],
  'get /api/tenants/roles/:id': ({ roleId }) => [
    { path: `/api/tenants/roles/${roleId}`, expected: 404 },
  ],
  'post /api/tenants/roles': (ids) => [
    { body: role, expected: 201 },
    { body: { ...role, id: ids.roleId, ...decoys(ids) }, expected: 400 },
  ],
  'put /api/tenants/roles/:id': ({ roleId }) => [
    { path: `/api/tenants/roles/${roleId}`, body: role, expected: 404 },
  ],
  'delete /api/tenants/roles/:id': ({ roleId }) => [
    { path: `/api/tenants/roles/${roleId}`, expected: 404 },
  ],
};
