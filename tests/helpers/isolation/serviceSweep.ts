import type { Sweep } from './aim';

/** The routes of service keys: nobody's access token opens one, whatever ids it names. */
export const SERVICE_SWEEP: Sweep = {
  'get /api/service/self': () => [{ expected: 401 }],
  'get /api/service/tenants': () => [{ expected: 401 }],
  'post /api/service/tenants': () => [{ body: { slug: 'aimed', name: 'Aimed' }, expected: 401 }],
  'post /api/token/introspect': () => [{ body: { token: 'nonsense' }, expected: 401 }],
  'post /api/token/step-up': () => [
    { body: { token: 'nonsense', purpose: 'app:x' }, expected: 401 },
  ],
  'get /api/forward-auth': () => [{ expected: 401 }],
  'get /api/forward-auth/envoy': () => [{ expected: 401 }],
  'get /api/access-changes': () => [{ expected: 401 }],
  'get /api/access-changes/stream': () => [{ expected: 401 }],
  'post /api/service/tenants/:id/suspend': ({ tenantId }) => [
    { path: `/api/service/tenants/${tenantId}/suspend`, body: {}, expected: 401 },
  ],
  'post /api/service/tenants/:id/resume': ({ tenantId }) => [
    { path: `/api/service/tenants/${tenantId}/resume`, body: {}, expected: 401 },
  ],
  'post /api/audit/events': ({ tenantId, staffId }) => [
    {
      body: {
        events: [{ action: 'app.aimed', tenant: tenantId, actor: { staffId }, details: {} }],
      },
      expected: 401,
    },
  ],
  'get /api/audit/event-types': () => [{ expected: 401 }],
  'put /api/audit/event-types': () => [{ body: {}, expected: 401 }],
};
