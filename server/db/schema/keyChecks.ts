import { boolean, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';
import { bytea, instant } from './columns';

/** What each key that this database was written with can be recognised by: a node with another key refuses to start. */
export const keyChecks = pgTable(
  'key_checks',
  {
    /** The name of the setting that holds the key, for example `ENCRYPTION_KEY`. */
    setting: text('setting').notNull(),
    /** Names the key, and tells nothing of it. */
    keyId: text('key_id').notNull(),
    /** A known text, sealed, hashed or signed with the key. */
    checkValue: bytea('check_value').notNull(),
    firstUsedAt: instant('first_used_at').notNull().defaultNow(),
    /** An operator vouched for the key with `admin keys adopt`; nothing in the database proved it. */
    adopted: boolean('adopted').notNull().default(false),
  },
  (table) => [primaryKey({ name: 'key_checks_pk', columns: [table.setting, table.keyId] })],
);
