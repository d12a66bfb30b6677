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
  'post /api/auth/login/discover': (ids) => [
    { body: { tenant: ids.tenantId }, expected: 200 },
    { body: { tenant: 'no-such-tenant', staffId: ids.staffId }, expected: 400 },
    { body: { email: `${ids.staffId}@nowhere.example` }, expected: 200 },
  ],
  // The id of a connection is public, because the people who sign in have it.
  'post /api/auth/sso/start': (ids) =>
    [ids.tenantId, ids.staffId, ids.domainId].map((connectionId) => ({
      ...{ body: { connectionId }, expected: 404 },
    })),
  'get /api/auth/sso/callback/:connection': (ids) =>
    [ids.ssoConnectionId, ids.tenantId].map((id) => ({
      ...{ path: `/api/auth/sso/callback/${id}`, query: { code: 'c', state: 's' }, expected: 303 },
    })),
  'post /api/auth/sso/complete': (ids) => [{ expected: 403 }, { body: decoys(ids), expected: 400 }],
  'post /api/tenants/sso/:id/try': (ids) =>
    pathsOf(ids).map((path) => ({ path: `${path}/try`, expected: 404 })),
  'get /api/tenants/sso/:id/tries/:attempt': (ids) =>
    pathsOf(ids).map((path) => ({ path: `${path}/tries/${ids.ssoAttemptId}`, expected: 404 })),
  'get /api/auth/me/identities': () => [{ expected: 200 }],
  'post /api/auth/me/identities/start': (ids) => [
    { body: { connectionId: ids.ssoConnectionId }, expected: 404 },
    { body: { connectionId: ids.ssoConnectionId, ...decoys(ids) }, expected: 400 },
  ],
  'post /api/auth/me/identities/complete': (ids) => [
    { expected: 403 },
    { body: decoys(ids), expected: 400 },
  ],
  'delete /api/auth/me/identities/:id': (ids) =>
    [ids.identityId, ids.staffId].map((id) => ({
      ...{ path: `/api/auth/me/identities/${id}`, expected: 404 },
    })),
  'get /api/tenants/staff/:id/identities': ({ staffId }) => [
    { path: `/api/tenants/staff/${staffId}/identities`, expected: 404 },
  ],
  'delete /api/tenants/staff/:id/identities/:identity': ({ staffId, identityId }, me) =>
    [staffId, me.staffId].map((id) => ({
      ...{ path: `/api/tenants/staff/${id}/identities/${identityId}`, expected: 404 },
    })),
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
