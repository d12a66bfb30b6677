import { sql } from 'drizzle-orm';
import { boolean, check, index, pgTable, text } from 'drizzle-orm/pg-core';
import { instant, key } from './columns';
import { accountStatus } from './enums';

/** The algorithm and costs at the beginning of a hash: the index has few different values, whatever the number of people. */
export const HASH_COST = `'^\\$argon2(?:id|i|d)\\$v=[0-9]+\\$m=[0-9]+,t=[0-9]+,p=[0-9]+'`;

/** A person: one e-mail, one password, across tenants; hence the one table without a tenant id. */
export const users = pgTable(
  'users',
  {
    id: key(),
    email: text('email').notNull().unique('users_email_unique'),
    passwordHash: text('password_hash').notNull(),
    passwordChangedAt: instant('password_changed_at').notNull().defaultNow(),
    /** Since when the password no longer signs anybody in: somebody else knew it. */
    passwordExpiredAt: instant('password_expired_at'),
    /** False if the address is not known to be in its one normal form; such a row signs nobody in by another spelling. */
    emailNormalized: boolean('email_normalized').notNull().default(false),
    status: accountStatus('status').notNull().default('active'),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (table) => [
    check('users_email_lowercase', sql`${table.email} = lower(${table.email})`),
    index('idx_users_hash_cost').on(
      sql`substring(${table.passwordHash} from ${sql.raw(HASH_COST)})`,
    ),
    index('idx_users_email_unnormalized')
      .on(table.id)
      .where(sql`NOT ${table.emailNormalized}`),
  ],
);
