import { index, pgTable, uuid } from 'drizzle-orm/pg-core';
import { instant, key } from './columns';
import { users } from './users';

/**
 * A link with which a person sets a new password. It is about the person in all tenants, so it has
 * no tenant id.
 */
export const passwordResets = pgTable(
  'password_resets',
  {
    id: key(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    createdAt: instant('created_at').notNull().defaultNow(),
    expiresAt: instant('expires_at').notNull(),
    /** When it was used, or ended by another change of the password. */
    endedAt: instant('ended_at'),
  },
  (table) => [index('idx_password_resets_user').on(table.userId)],
);
