import { decoys } from './aim';
import type { Aim, Sweep } from './aim';

const cursorOf = (staffId: string) => Buffer.from(staffId).toString('base64url');

/** Sends another tenant's member to a route that ends in `tail`; it is found nowhere. */
const at =
  (tail: string, body?: Record<string, unknown>) =>
  ({ staffId }: { staffId: string }): Aim[] => [
    { path: `/api/tenants/staff/${staffId}${tail}`, ...(body ? { body } : {}), expected: 404 },
  ];

/** The foreign ids that can be sent to the routes of a tenant's members. */
export const STAFF_SWEEP: Sweep = {
  'get /api/tenants/staff': (ids) => [
    { expected: 400 },
    { query: {}, expected: 200 },
    { query: { role: ids.roleId }, expected: 200 },
    { query: { search: ids.staffId }, expected: 200 },
    { query: { cursor: cursorOf(ids.staffId), status: 'removed' }, expected: 200 },
  ],
  'post /api/tenants/staff/force-logout': (ids) => [
    { expected: 200 },
    { body: { includeMe: true }, expected: 200 },
    { body: decoys(ids), expected: 400 },
  ],
  'get /api/tenants/staff/:id': at(''),
  'delete /api/tenants/staff/:id': at(''),
  'put /api/tenants/staff/:id/roles': (ids, me) => [
    ...at('/roles', { roles: ['member'] })(ids),
    ...at('/roles', { roles: [ids.roleId] })({ staffId: me.staffId }).map((aim) => ({
      ...aim,
      expected: 400,
    })),
  ],
  'put /api/tenants/staff/:id/end': at('/end', { endsAt: new Date(Date.now() + 86_400_000) }),
  'post /api/tenants/staff/:id/disable': at('/disable'),
  'post /api/tenants/staff/:id/enable': at('/enable'),
  'post /api/tenants/staff/:id/reset-factors': at('/reset-factors', { reason: 'Lost' }),
  'post /api/tenants/staff/:id/force-logout': at('/force-logout'),
  'get /api/tenants/staff/:id/sessions': ({ staffId }) => [
    { path: `/api/tenants/staff/${staffId}/sessions`, query: {}, expected: 404 },
  ],
  'delete /api/tenants/staff/:id/sessions/:sessionId': (ids, me) => [
    { path: `/api/tenants/staff/${ids.staffId}/sessions/${ids.sessionId}`, expected: 404 },
    { path: `/api/tenants/staff/${me.staffId}/sessions/${ids.sessionId}`, expected: 404 },
  ],
};
