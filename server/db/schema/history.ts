import { sql } from 'drizzle-orm';
import { boolean, char, index, integer, pgTable, text, uuid } from 'drizzle-orm/pg-core';
import { instant } from './columns';
import { challengeOrigin, revokeReason } from './enums';
import type { StepUpPurpose } from './enums';
import { tenantRows } from './tenantRows';

/*
 * The parts of purged rows that the evidence still needs. There are no foreign keys, because
 * evidence must outlive its subjects.
 */

/** A session that was purged from `user_sessions`. */
export const sessionHistory = pgTable(
  'session_history',
  {
    id: uuid('id').primaryKey(),
    tenantId: uuid('tenant_id').notNull(),
    userId: uuid('user_id').notNull(),
    staffId: uuid('staff_id').notNull(),
    sessionVersion: integer('session_version'),
    createdAt: instant('created_at').notNull(),
    lastSeenAt: instant('last_seen_at').notNull(),
    expiresAt: instant('expires_at').notNull(),
    revokedAt: instant('revoked_at'),
    revokeReason: revokeReason('revoke_reason'),
    rememberMe: boolean('remember_me').notNull(),
    ip: text('ip'),
    country: char('country', { length: 2 }),
    userAgent: text('user_agent'),
  },
  (table) => [
    index('idx_session_history_tenant_expires').on(table.tenantId, table.expiresAt),
    index('idx_session_history_staff').on(table.staffId, table.createdAt),
    tenantRows('session_history'),
  ],
);

/** A refresh token that was purged from `refresh_tokens`. */
export const tokenHistory = pgTable(
  'token_history',
  {
    id: uuid('id').primaryKey(),
    tenantId: uuid('tenant_id').notNull(),
    staffId: uuid('staff_id').notNull(),
    sessionId: uuid('session_id'),
    familyId: uuid('family_id').notNull(),
    sessionVersion: integer('session_version'),
    createdAt: instant('created_at').notNull(),
    expiresAt: instant('expires_at'),
    revokedAt: instant('revoked_at'),
    revokeReason: revokeReason('revoke_reason'),
  },
  (table) => [
    index('idx_token_history_tenant_revoked').on(table.tenantId, table.revokedAt),
    index('idx_token_history_session').on(table.sessionId),
    index('idx_token_history_without_session')
      .on(table.tenantId, table.staffId)
      .where(sql`${table.sessionId} IS NULL`),
    tenantRows('token_history'),
  ],
);

/** A challenge that was purged from `step_up_challenges`. */
export const stepUpHistory = pgTable(
  'step_up_history',
  {
    id: uuid('id').primaryKey(),
    tenantId: uuid('tenant_id').notNull(),
    staffId: uuid('staff_id').notNull(),
    sessionId: uuid('session_id'),
    origin: challengeOrigin('origin').notNull(),
    purpose: text('purpose').$type<StepUpPurpose>().notNull(),
    score: integer('score'),
    reasons: text('reasons').array().notNull(),
    act: text('act'),
    attempts: integer('attempts').notNull(),
    createdAt: instant('created_at').notNull(),
    expiresAt: instant('expires_at').notNull(),
    verifiedAt: instant('verified_at'),
    verifiedMethod: text('verified_method'),
    consumedAt: instant('consumed_at'),
    revokedAt: instant('revoked_at'),
  },
  (table) => [
    index('idx_step_up_history_tenant_created').on(table.tenantId, table.createdAt),
    tenantRows('step_up_history'),
  ],
);
