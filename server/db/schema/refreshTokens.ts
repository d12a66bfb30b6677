import { sql } from 'drizzle-orm';
import { boolean, foreignKey, index, integer, pgTable, text, uuid } from 'drizzle-orm/pg-core';
import { instant, key } from './columns';
import { revokeReason } from './enums';
import { tenantRows } from './tenantRows';
import { tenantStaff } from './tenantStaff';
import { userSessions } from './userSessions';

/** One token in a rotation chain. All tokens of a chain share a family: `family_id ?? id`. */
export const refreshTokens = pgTable(
  'refresh_tokens',
  {
    id: key(),
    /** HMAC-SHA-256 of the token under a server key, in hex. The token itself is never stored. */
    tokenHash: text('token_hash').notNull().unique('refresh_tokens_token_hash_unique'),
    tenantId: uuid('tenant_id').notNull(),
    userId: uuid('user_id').notNull(),
    staffId: uuid('staff_id').notNull(),
    /**
     * Null if `user_sessions` was missing when it was issued. Only `session_version` ends such a
     * token early.
     */
    sessionId: uuid('session_id'),
    /** Null in the first token of a chain. */
    familyId: uuid('family_id'),
    sessionVersion: integer('session_version').notNull().default(1),
    createdAt: instant('created_at').notNull().defaultNow(),
    lastUsedAt: instant('last_used_at'),
    expiresAt: instant('expires_at').notNull(),
    /**
     * The end of the whole chain, which no successor outlives. If it is null, the end of the
     * session applies.
     */
    absoluteExpiresAt: instant('absolute_expires_at'),
    revokedAt: instant('revoked_at'),
    isRevoked: boolean('is_revoked').notNull().default(false),
    revokeReason: revokeReason('revoke_reason'),
    /** Identifies the TOKEN_HASH_KEY that made the hash; null in older rows. */
    keyId: text('key_id'),
    deviceInfo: text('device_info'),
    rememberMe: boolean('remember_me').notNull().default(false),
  },
  (table) => [
    foreignKey({
      name: 'refresh_tokens_staff_fk',
      columns: [table.tenantId, table.staffId, table.userId],
      foreignColumns: [tenantStaff.tenantId, tenantStaff.id, tenantStaff.userId],
    }),
    foreignKey({
      name: 'refresh_tokens_session_fk',
      columns: [table.tenantId, table.sessionId],
      foreignColumns: [userSessions.tenantId, userSessions.id],
    }),
    index('idx_refresh_tokens_active')
      .on(table.tenantId, table.userId, table.expiresAt)
      .where(sql`${table.revokedAt} IS NULL AND ${table.isRevoked} = false`),
    index('idx_refresh_tokens_family').on(sql`coalesce(${table.familyId}, ${table.id})`),
    index('idx_refresh_tokens_session').on(table.sessionId),
    index('idx_refresh_tokens_without_session')
      .on(table.expiresAt)
      .where(sql`${table.sessionId} IS NULL`),
    tenantRows('refresh_tokens'),
  ],
);
