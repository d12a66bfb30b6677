import { cursorAt, decoys } from './aim';
import type { Sweep } from './aim';

/** The foreign ids that can be sent to the routes of approvals and of the tenant's policy. */
export const APPROVAL_SWEEP: Sweep = {
  'get /api/tenants/current/policy': () => [{ expected: 200 }],
  'put /api/tenants/current/policy': (ids) => [
    { body: { needsApproval: false }, expected: 200 },
    { body: { needsApproval: true, ...decoys(ids) }, expected: 400 },
  ],
  'get /api/tenants/approvals': (ids) => [
    { expected: 400 },
    { query: {}, expected: 200 },
    { query: { status: 'open' }, expected: 200 },
    { query: { cursor: cursorAt(ids.approvalId) }, expected: 200 },
  ],
  'get /api/tenants/approvals/:id': (ids) =>
    [ids.approvalId, ids.approvalId.toUpperCase(), ids.staffId].map((id) => ({
      path: `/api/tenants/approvals/${id}`,
      expected: 404,
    })),
  'post /api/tenants/approvals/:id/approve': (ids) => [
    { path: `/api/tenants/approvals/${ids.approvalId}/approve`, expected: 404 },
  ],
  'post /api/tenants/approvals/:id/refuse': (ids) => [
    { path: `/api/tenants/approvals/${ids.approvalId}/refuse`, expected: 404 },
  ],
  'post /api/tenants/approvals/:id/withdraw': (ids) => [
    { path: `/api/tenants/approvals/${ids.approvalId}/withdraw`, expected: 404 },
  ],
};
