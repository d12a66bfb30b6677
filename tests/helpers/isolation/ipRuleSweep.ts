import { decoys } from './aim';
import type { Sweep } from './aim';

/** A rule that does not limit the person who creates it. */
const rule = { action: 'allow', appliesTo: 'api_keys', range: '203.0.113.0/24' };

/** The foreign ids that can be sent to the routes of IP rules. */
export const IP_RULE_SWEEP: Sweep = {
  'get /api/security/ip-rules': () => [{ expected: 200 }],
  'put /api/security/ip-rules': (ids) => [
    { body: { version: 0, rules: [rule] }, expected: 200 },
    { body: { version: 0, rules: [rule], ...decoys(ids) }, expected: 400 },
    { body: { version: 0, rules: [{ ...rule, id: ids.ipRuleId }] }, expected: 400 },
  ],
  'post /api/security/ip-rules': (ids) => [
    { body: rule, expected: 200 },
    { body: { ...rule, ...decoys(ids) }, expected: 400 },
    { body: { ...rule, id: ids.ipRuleId }, expected: 400 },
  ],
  'post /api/security/ip-rules/simulate': (ids) => [
    { body: { rules: [rule] }, expected: 200 },
    { body: { rules: [rule], ...decoys(ids) }, expected: 400 },
  ],
  'post /api/security/ip-rules/trial/confirm': (ids) => [
    { body: { version: 0 }, expected: 409 },
    { body: { version: 0, ...decoys(ids) }, expected: 400 },
  ],
  'delete /api/security/ip-rules/trial': ({ tenantSlug }) => [
    { query: {}, expected: 409 },
    { query: { confirmLockout: tenantSlug }, expected: 409 },
    { expected: 400 },
  ],
  'delete /api/security/ip-rules/suspension': ({ tenantSlug }) => [
    { query: {}, expected: 409 },
    { query: { confirmLockout: tenantSlug }, expected: 409 },
    { expected: 400 },
  ],
  'put /api/security/ip-rules/:id': ({ ipRuleId, tenantId }) =>
    [ipRuleId, ipRuleId.toUpperCase(), tenantId].map((id) => ({
      path: `/api/security/ip-rules/${id}`,
      body: rule,
      expected: 404,
    })),
  'delete /api/security/ip-rules/:id': ({ ipRuleId }) => [
    { path: `/api/security/ip-rules/${ipRuleId}`, query: {}, expected: 404 },
    { path: `/api/security/ip-rules/${ipRuleId}`, expected: 400 },
  ],
};
