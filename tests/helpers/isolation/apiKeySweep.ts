import { cursorAt, decoys } from './aim';
import type { Sweep } from './aim';

const key = { name: 'Aimed', permissions: [] };

/** The foreign ids that can be sent to the routes of API keys. */
export const API_KEY_SWEEP: Sweep = {
  'get /api/tenants/api-keys': ({ apiKeyId, staffId }) => [
    { expected: 400 },
    { query: {}, expected: 200 },
    { query: { holder: staffId }, expected: 200 },
    { query: { cursor: cursorAt(apiKeyId) }, expected: 200 },
  ],
  'get /api/tenants/api-keys/:id': ({ apiKeyId, staffId }) =>
    [apiKeyId, apiKeyId.toUpperCase(), staffId].map((id) => ({
      path: `/api/tenants/api-keys/${id}`,
      expected: 404,
    })),
  'post /api/tenants/api-keys': (ids) => [
    { body: key, expected: 201 },
    { body: { ...key, ...decoys(ids) }, expected: 400 },
  ],
  'put /api/tenants/api-keys/:id': ({ apiKeyId }) => [
    { path: `/api/tenants/api-keys/${apiKeyId}`, body: key, expected: 404 },
  ],
  'post /api/tenants/api-keys/:id/rotate': ({ apiKeyId }) => [
    { path: `/api/tenants/api-keys/${apiKeyId}/rotate`, body: {}, expected: 404 },
  ],
  'delete /api/tenants/api-keys/:id': ({ apiKeyId }) => [
    { path: `/api/tenants/api-keys/${apiKeyId}`, expected: 404 },
  ],
};
