import { sql } from 'drizzle-orm';
import { check, foreignKey, index, pgTable, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core';
import { bytea, instant, key } from './columns';
import { tenantRows } from './tenantRows';
import { tenants } from './tenants';
import { tenantStaff } from './tenantStaff';

/** A key with which a member's program calls the API; it can do no more than its holder can. */
export const apiKeys = pgTable(
  'api_keys',
  {
    id: key(),
    tenantId: uuid('tenant_id')
      .notNull()
      .references(() => tenants.id),
    /** The holder. */
    staffId: uuid('staff_id').notNull(),
    userId: uuid('user_id').notNull(),
    name: text('name').notNull(),
    /** The key can use those of them that its holder has at the time of the request. */
    permissions: text('permissions')
      .array()
      .notNull()
      .default(sql`'{}'::text[]`),
    /** The addresses and ranges from which it can be used; empty means all. */
    addresses: text('addresses')
      .array()
      .notNull()
      .default(sql`'{}'::text[]`),
    secretHash: bytea('secret_hash').notNull(),
    /** The server's key under which `secret_hash` was computed. */
    keyId: text('key_id').notNull(),
    /** The secret before the last rotation. It is valid until `previous_until`. */
    previousHash: bytea('previous_hash'),
    previousKeyId: text('previous_key_id'),
    previousUntil: instant('previous_until'),
    /** The session that got the current secret; it may have been purged. */
    issuedSessionId: uuid('issued_session_id'),
    createdAt: instant('created_at').notNull().defaultNow(),
    rotatedAt: instant('rotated_at'),
    expiresAt: instant('expires_at').notNull(),
    revokedAt: instant('revoked_at'),
    /** The actor. */
    revokedBy: text('revoked_by'),
    lastUsedAt: instant('last_used_at'),
    lastUsedIp: text('last_used_ip'),
  },
  (table) => [
    foreignKey({
      name: 'api_keys_staff_fk',
      columns: [table.tenantId, table.staffId, table.userId],
      foreignColumns: [tenantStaff.tenantId, tenantStaff.id, tenantStaff.userId],
    }),
    check(
      'api_keys_previous_whole',
      sql`num_nulls(${table.previousHash}, ${table.previousKeyId}, ${table.previousUntil}) IN (0, 3)`,
    ),
    uniqueIndex('api_keys_secret_unique').on(table.secretHash),
    uniqueIndex('api_keys_previous_unique').on(table.previousHash),
    index('idx_api_keys_tenant').on(table.tenantId, table.createdAt),
    index('idx_api_keys_holder')
      .on(table.tenantId, table.staffId)
      .where(sql`${table.revokedAt} IS NULL`),
    tenantRows('api_keys'),
  ],
);
