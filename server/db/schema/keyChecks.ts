import { boolean, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';
import { bytea, instant } from './columns';

/**
 * A value for each key that this database was written with, by which the key is recognised. A node
 * with another key refuses to start.
 */
export const keyChecks = pgTable(
  'key_checks',
  {
    /** The name of the setting that holds the key, for example `ENCRYPTION_KEY`. */
    setting: text('setting').notNull(),
    /** Identifies the key without revealing anything about it. */
    keyId: text('key_id').notNull(),
    /** A known text, sealed, hashed or signed with the key. */
    checkValue: bytea('check_value').notNull(),
    firstUsedAt: instant('first_used_at').notNull().defaultNow(),
    /**
     * An operator vouched for the key with `admin keys adopt`, because nothing in the database
     * proved it.
     */
    adopted: boolean('adopted').notNull().default(false),
  },
  (table) => [primaryKey({ name: 'key_checks_pk', columns: [table.setting, table.keyId] })],
);
