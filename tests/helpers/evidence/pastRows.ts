import { db } from '@/server/db';
import {
  auditLogs,
  refreshTokens,
  riskDecisions,
  stepUpChallenges,
  userSessions,
} from '@/server/db/schema';
import type { AuditAction } from '@/server/audit';

/**
 * Times around March 2025, the latest first: the first moment after it, its last, its first twice,
 * and the last before it.
 */
const MOMENTS: readonly (readonly [n: number, at: Date])[] = [
  [5, new Date('2025-04-01T00:00:00.000Z')],
  [4, new Date('2025-03-31T23:59:59.999Z')],
  [3, new Date('2025-03-01T00:00:00.000Z')],
  [2, new Date('2025-03-01T00:00:00.000Z')],
  [1, new Date('2025-02-28T23:59:59.999Z')],
];
/** Those of them that lie in March, in order. */
export const IN_MARCH = [2, 3, 4];

const ACTIONS = [
  'IP_RULE_CREATED',
  'IP_RULE_UPDATED',
  'IP_RULE_DELETED',
  'IMPERSONATION_STARTED',
  'IMPERSONATION_ENDED',
  'DATA_EXPORT_REQUESTED',
  'DATA_EXPORT_COMPLETED',
  'DATA_EXPORT_FAILED',
  'STAFF_CREATED',
  'STAFF_PERMISSIONS_CHANGED',
  'AUTH_LOGIN_SUCCEEDED',
  'AUTH_LOGIN_FAILED',
  'STEP_UP_REQUIRED',
  'LOGIN_BLOCKED',
  'SESSION_INVALIDATED',
] as const satisfies readonly AuditAction[];

interface Owner {
  tenantId: string;
  userId: string;
  staffId: string;
  sessionId: string;
}

/** Returns an id that shows its owner, its kind and its time. */
export const idOf = (prefix: string, kind: number, n: number) =>
  `${prefix}-0000-7000-8000-${String(kind).padStart(6, '0')}${String(n).padStart(6, '0')}`;

export const KIND = { session: 1, token: 2, decision: 3, stepUp: 4, event: 5 };

/** Inserts an event of each kind at each of the times. */
async function insertEvents({ tenantId, staffId, sessionId }: Owner, prefix: string) {
  const rows = ACTIONS.flatMap((action, kind) =>
    MOMENTS.map(([n, occurredAt]) => ({
      ...{ id: idOf(prefix, KIND.event * 100 + kind, n), tenantId, occurredAt, action, sessionId },
      ...{ outcome: 'success' as const, actor: `actor ${n}`, subject: `staff:${staffId}` },
      ...{ onBehalfOf: staffId, ip: '203.0.113.9', correlationId: `${action} ${n}` },
      details: {
        ...{ kind: 'bundle', from: 'a day', to: 'another', format: 'csv', bytes: n },
        ...{ reason: 'database', permissions: [`P_${n}`], before: [], after: [`P_${n}`] },
      },
    })),
  );
  await db.insert(auditLogs).values(rows);
}

/** Inserts two sessions that were not alive in the range, and four that were. */
async function insertSessions(owner: Owner, prefix: string) {
  const [first, late] = [new Date('2025-03-01T00:00:00.000Z'), new Date('2025-05-01T00:00:00Z')];
  const early = new Date('2025-02-01T00:00:00Z');
  const justBefore = new Date(first.getTime() - 1);
  const rows = [
    { createdAt: new Date('2025-04-01T00:00:00.000Z'), expiresAt: late },
    { createdAt: new Date('2025-03-31T23:59:59.999Z'), expiresAt: late },
    { createdAt: early, expiresAt: justBefore },
    { createdAt: early, expiresAt: first },
    { createdAt: early, expiresAt: late, revokedAt: justBefore },
    { createdAt: early, expiresAt: late, revokedAt: first, revokeReason: 'manual' as const },
  ];
  await db
    .insert(userSessions)
    .values(rows.map((row, n) => ({ ...owner, ...row, id: idOf(prefix, KIND.session, n + 1) })));
}

/** Those of {@link insertSessions} that were alive in March, in the order in which they began. */
export const ALIVE_IN_MARCH = [4, 6, 2];

/**
 * Inserts rows of one member into every table that a bundle shows, around both ends of March 2025.
 */
export async function insertPastRows(owner: Owner, prefix: string): Promise<void> {
  const { tenantId, userId, staffId, sessionId } = owner;
  const whose = { tenantId, userId, staffId, sessionId };
  await insertEvents(owner, prefix);
  await insertSessions({ tenantId, userId, staffId, sessionId }, prefix);
  const expiresAt = new Date('2025-05-01T00:00:00.000Z');
  await db.insert(refreshTokens).values(
    MOMENTS.map(([n, revokedAt]) => ({
      ...{ ...whose, id: idOf(prefix, KIND.token, n), tokenHash: `${prefix} ${n}`, expiresAt },
      ...{ createdAt: new Date('2025-02-01T00:00:00Z'), revokedAt, isRevoked: true },
      ...{ revokeReason: 'rotation' as const, familyId: n === 2 ? null : idOf(prefix, 9, 1) },
    })),
  );
  const verdictAt = new Date('2025-06-01T00:00:00.000Z');
  await db.insert(riskDecisions).values(
    MOMENTS.map(([n, occurredAt]) => ({
      ...{ id: idOf(prefix, KIND.decision, n), tenantId, staffId, sessionId, occurredAt },
      ...{ at: 'refresh' as const, score: 70, reasons: ['NEW_DEVICE'], seen: '', signals: {} },
      ...{ decision: 'step_up' as const, outcome: 'challenged' as const, policyVersion: 3 },
      ...{ spentUs: 1, ip: '203.0.113.9', country: 'DE', correlationId: `decision ${n}` },
      ...{ verdict: 'suspicious' as const, verdictBy: staffId, verdictAt, verdictNote: '=note' },
    })),
  );
  await db.insert(stepUpChallenges).values(
    MOMENTS.map(([n, createdAt]) => ({
      ...{ ...whose, id: idOf(prefix, KIND.stepUp, n), createdAt, expiresAt, attempts: 1 },
      ...{ origin: 'session' as const, purpose: 'data_export' as const },
      ...{ verifiedAt: createdAt, verifiedMethod: 'totp' },
    })),
  );
}
