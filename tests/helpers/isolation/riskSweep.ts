import { DEFAULT_POLICY } from '@/server/security/risk/riskPolicy';
import { cursorAt, decoys } from './aim';
import type { Sweep } from './aim';

/** The foreign ids that can be sent to the routes of the risk policy and of its decisions. */
export const RISK_SWEEP: Sweep = {
  'get /api/security/policy': () => [{ expected: 200 }],
  'put /api/security/policy': (ids) => [
    { body: { version: 0, policy: DEFAULT_POLICY }, expected: 200 },
    { body: { version: 0, policy: DEFAULT_POLICY, ...decoys(ids) }, expected: 400 },
  ],
  'post /api/security/policy/simulate': (ids) => [
    { body: { policy: DEFAULT_POLICY }, expected: 200 },
    { body: { policy: DEFAULT_POLICY, ...decoys(ids) }, expected: 400 },
  ],
  'get /api/security/locked-accounts': () => [{ expected: 200 }],
  'get /api/security/risk-decisions': (ids) => [
    { expected: 400 },
    { query: {}, expected: 200 },
    { query: { staffId: ids.staffId }, expected: 200 },
    { query: { sessionId: ids.sessionId }, expected: 200 },
    { query: { cursor: cursorAt(ids.decisionId) }, expected: 200 },
  ],
  'get /api/security/risk-decisions/:id': (ids) => [
    { path: `/api/security/risk-decisions/${ids.decisionId}`, expected: 404 },
  ],
  'put /api/security/risk-decisions/:id/verdict': (ids) => [
    {
      path: `/api/security/risk-decisions/${ids.decisionId}/verdict`,
      body: { verdict: 'legitimate' },
      expected: 404,
    },
  ],
};
