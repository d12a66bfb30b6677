import type { SealedEvent } from '@/tlog/leaf';

const MADE_UP_CONNECTION = {
  ...{ name: '=Okta', issuer: 'https://acme.okta.example', clientId: 'c1', tokenAuth: 'basic' },
  ...{ alg: 'ES256', requiredHostedDomain: null },
  endpoints: { token: 'https://acme.okta.example/t', endSession: null },
};

const STAFF_ID = 'staff:01900000-0000-7000-8000-00000000005a';

/** Some events that those tables show, by leaf. */
export const TABLE_EVENTS: Readonly<Record<number, Partial<SealedEvent>>> = {
  40: { action: 'STAFF_CREATED', subject: STAFF_ID, details: { permissions: ['B_B', 'A_A'] } },
  43: {
    action: 'STAFF_PERMISSIONS_CHANGED',
    subject: STAFF_ID,
    details: {
      ...{ before: ['A_A', 'B_B'], after: ['C_C', 'B_B'], rolesBefore: [], rolesAfter: ['owner'] },
      ...{ requestedBy: 'ann', approvedBy: 'bob', ticket: '=HR-7' },
    },
  },
  46: { action: 'STAFF_DISABLED', subject: STAFF_ID, details: { secondsToEffect: 0.25 } },
  49: { action: 'STAFF_ENABLED', subject: STAFF_ID },
  52: {
    action: 'IP_RULE_CREATED',
    subject: 'ip-rule:7',
    details: {
      ...{ rule: { b: 0.5, aa: null }, trialEndsAt: '2026-03-02T12:00:00.000Z' },
      after: {
        ...{ action: 'allow', appliesTo: 'people', range: '192.0.2.0/24' },
        ...{ note: '=1+1', expiresAt: '2026-04-01T00:00:00.000Z' },
      },
    },
  },
  55: { action: 'IMPERSONATION_STARTED', subject: STAFF_ID, details: { reason: '-why' } },
  58: {
    action: 'DATA_EXPORT_COMPLETED',
    subject: 'export:🦊1',
    details: { kind: 'bundle', from: '2026-01-01', to: '-', format: 'csv', bytes: 7 },
  },
  61: { action: 'STAFF_CREATED', outcome: 'failure', subject: STAFF_ID, details: {} },
  62: {
    action: 'app.project.deleted',
    outcome: 'denied',
    subject: '=project:1',
    on_behalf_of: '0198c2f4-7a51-7cc3-98c4-dc0c0c07398f',
    details: {
      ...{ fields: { project: '=1+1' }, reportedBy: 'k', reported: ['subject'] },
      reportedTime: '2026-01-01T00:00:00.000Z',
    },
  },
  64: { action: 'STAFF_REMOVED', subject: STAFF_ID, details: { requestedBy: 'cyd' } },
  67: {
    action: 'SSO_CONNECTION_UPDATED',
    subject: 'sso-connection:🦊7',
    details: {
      before: { ...MADE_UP_CONNECTION, issuer: 'https://old.example' },
      ...{ after: MADE_UP_CONNECTION, secretReplaced: true, via: 'api', ticket: 'OPS-1' },
    },
  },
  70: {
    action: 'SSO_CONNECTION_SECRET_ROTATED',
    subject: 'sso-connection:🦊7',
    details: { overlapSec: 86_400, via: 'api' },
  },
};
