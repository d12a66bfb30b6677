import { decoys } from './aim';
import type { Sweep } from './aim';

/** The server refuses this issuer before it asks anybody. */
const connection = {
  ...{ name: 'Aimed', issuer: 'https://127.0.0.1', clientId: 'c', clientSecret: 'a secret' },
};

const pathsOf = ({ ssoConnectionId, tenantId }: { ssoConnectionId: string; tenantId: string }) =>
  [ssoConnectionId, ssoConnectionId.toUpperCase(), tenantId].map((id) => `/api/tenants/sso/${id}`);

/** The foreign ids that can be sent to the routes of connections. */
export const SSO_SWEEP: Sweep = {
  'get /api/tenants/sso': () => [{ expected: 200 }],
  'get /api/tenants/sso/:id': (ids) => pathsOf(ids).map((path) => ({ path, expected: 404 })),
  'post /api/tenants/sso': (ids) => [
    { body: connection, expected: 400 },
    { body: { ...connection, ...decoys(ids) }, expected: 400 },
    { body: { ...connection, id: ids.ssoConnectionId }, expected: 400 },
  ],
  'put /api/tenants/sso/:id': (ids) =>
    pathsOf(ids).map((path) => ({ path, body: { name: 'Aimed' }, expected: 404 })),
  'delete /api/tenants/sso/:id': (ids) => pathsOf(ids).map((path) => ({ path, expected: 404 })),
  'post /api/tenants/sso/:id/secret': (ids) =>
    pathsOf(ids).map((path) => ({
      ...{ path: `${path}/secret`, body: { clientSecret: 'another secret' }, expected: 404 },
    })),
};
