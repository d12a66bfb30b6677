import { sql } from 'drizzle-orm';
import { check, pgTable, text, uniqueIndex } from 'drizzle-orm/pg-core';
import { bytea, instant, key } from './columns';

/** A key with which a program of the team calls Gatehouse. It belongs to the operator, and to no tenant. */
export const serviceKeys = pgTable(
  'service_keys',
  {
    id: key(),
    name: text('name').notNull(),
    scopes: text('scopes').array().notNull(),
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
    createdAt: instant('created_at').notNull().defaultNow(),
    /** The operator. */
    createdBy: text('created_by').notNull(),
    rotatedAt: instant('rotated_at'),
    /** Null if it does not expire. */
    expiresAt: instant('expires_at'),
    revokedAt: instant('revoked_at'),
    revokedBy: text('revoked_by'),
    lastUsedAt: instant('last_used_at'),
    lastUsedIp: text('last_used_ip'),
  },
  (table) => [
    check(
      'service_keys_previous_whole',
      sql`num_nulls(${table.previousHash}, ${table.previousKeyId}, ${table.previousUntil}) IN (0, 3)`,
    ),
    uniqueIndex('service_keys_secret_unique').on(table.secretHash),
    uniqueIndex('service_keys_previous_unique').on(table.previousHash),
    // An expired key keeps its name until it is revoked, so that two keys never look alike.
    uniqueIndex('service_keys_name_unique')
      .on(table.name)
      .where(sql`${table.revokedAt} IS NULL`),
  ],
);
