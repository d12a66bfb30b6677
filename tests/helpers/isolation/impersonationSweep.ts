import { decoys } from './aim';
import type { Sweep } from './aim';

const CONSENT = '/api/auth/me/impersonation-consent';
const policy = { mode: 'off', consent: 'told', ticketRequired: true, maxMinutes: 30 };

/** The foreign ids that can be sent to the routes of impersonation. */
export const IMPERSONATION_SWEEP: Sweep = {
  'post /api/security/impersonation/start': (ids) => [
    { body: { staffId: ids.staffId, reason: 'To look at it' }, expected: 404 },
    {
      body: { staffId: ids.staffId, reason: 'To look at it', tenantId: ids.tenantId },
      expected: 400,
    },
  ],
  'post /api/security/impersonation/token': (ids) => [{ body: decoys(ids), expected: 404 }],
  'post /api/security/impersonation/stop': (ids) => [
    { body: { ...decoys(ids), id: ids.impersonationId }, expected: 404 },
  ],
  'get /api/security/impersonation/policy': () => [{ expected: 200 }],
  'put /api/security/impersonation/policy': (ids) => [
    { body: { version: 0, policy }, expected: 200 },
    { body: { version: 0, policy, ...decoys(ids) }, expected: 400 },
  ],
  [`get ${CONSENT}`]: () => [{ expected: 200 }],
  [`put ${CONSENT}`]: (ids) => [
    { body: { until: new Date(Date.now() + 60_000).toISOString() }, expected: 200 },
    { body: { until: new Date().toISOString(), ...decoys(ids) }, expected: 400 },
  ],
  [`delete ${CONSENT}`]: (ids) => [{ body: decoys(ids), expected: 404 }],
};
