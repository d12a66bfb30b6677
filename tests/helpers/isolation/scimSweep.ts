import type { Sweep } from './aim';

const aimed = ({ staffId }: { staffId: string }) => ({
  path: `/scim/v2/Users/${staffId}`,
  expected: 401,
});

/**
 * The routes of a directory: nobody's access token opens one, whatever ids it names. The keys of
 * directories are aimed at each other's users in tests/scim/scimMembers.test.ts.
 */
export const SCIM_SWEEP: Sweep = {
  'get /scim/v2/ServiceProviderConfig': () => [{ expected: 401 }],
  'get /scim/v2/ResourceTypes': () => [{ expected: 401 }],
  'get /scim/v2/Schemas': () => [{ expected: 401 }],
  'get /scim/v2/Schemas/:id': () => [{ path: '/scim/v2/Schemas/urn:x', expected: 401 }],
  'get /scim/v2/Groups': () => [{ expected: 401 }],
  'get /scim/v2/Users': ({ staffId }) => [
    { query: { filter: `id eq "${staffId}"` }, expected: 401 },
  ],
  'post /scim/v2/Users': () => [{ body: { userName: 'a@example.com' }, expected: 401 }],
  'get /scim/v2/Users/:id': (ids) => [aimed(ids)],
  'put /scim/v2/Users/:id': (ids) => [{ ...aimed(ids), body: { active: false } }],
  'patch /scim/v2/Users/:id': (ids) => [
    { ...aimed(ids), body: { Operations: [{ op: 'replace', value: { active: false } }] } },
  ],
  'delete /scim/v2/Users/:id': (ids) => [aimed(ids)],
};
