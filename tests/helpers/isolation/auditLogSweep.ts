import { cursorAt } from './aim';
import type { Sweep } from './aim';

/** The foreign ids that can be sent to the routes of the audit log and of its proofs. */
export const AUDIT_LOG_SWEEP: Sweep = {
  'get /api/compliance/audit-logs': (ids) => [
    { expected: 400 },
    { query: {}, expected: 200 },
    { query: { actor: ids.staffId }, expected: 200 },
    { query: { sessionId: ids.sessionId, outcome: 'success' }, expected: 200 },
    { query: { subject: `session:${ids.sessionId}` }, expected: 200 },
    { query: { cursor: cursorAt(ids.eventId) }, expected: 200 },
  ],
  'get /api/compliance/audit-logs/:id': (ids) =>
    [ids.eventId, ids.eventId.toUpperCase(), ids.staffId].map((id) => ({
      path: `/api/compliance/audit-logs/${id}`,
      expected: 404,
    })),
  'get /api/compliance/audit-logs/:id/proof': (ids) => [
    { path: `/api/compliance/audit-logs/${ids.eventId}/proof`, query: {}, expected: 404 },
    {
      path: `/api/compliance/audit-logs/${ids.eventId}/proof`,
      query: { size: '1' },
      expected: 404,
    },
  ],
  'get /api/compliance/checkpoints': () => [
    { expected: 400 },
    { query: {}, expected: 200 },
    { query: { cursor: Buffer.from('size/1000').toString('base64url') }, expected: 200 },
  ],
  'get /api/compliance/checkpoints/latest': () => [{ expected: 404 }],
  // The caller's own log has nothing under a checkpoint yet, but the other one has.
  'get /api/compliance/consistency': () => [
    { expected: 400 },
    { query: { from: '0' }, expected: 404 },
    { query: { from: '0', to: '1' }, expected: 400 },
  ],
  'get /api/compliance/keys': () => [{ expected: 200 }],
};
