import { sql } from 'drizzle-orm';
import { boolean, check, index, pgTable, text } from 'drizzle-orm/pg-core';
import { instant, key } from './columns';
import { accountStatus } from './enums';

/**
 * Matches the algorithm and costs at the beginning of a hash. The index has few different values,
 * whatever the number of people.
 */
export const HASH_COST = `'^\\$argon2(?:id|i|d)\\$v=[0-9]+\\$m=[0-9]+,t=[0-9]+,p=[0-9]+'`;

/**
 * A person with one e-mail address and at most one password for all tenants. So this table has no
 * tenant id.
 */
export const users = pgTable(
  'users',
  {
    id: key(),
    email: text('email').notNull().unique('users_email_unique'),
    /** The name that the person has given themselves. */
    name: text('name'),
    /**
     * Null for a person without a password: they sign in at a tenant's provider, and can set one by
     * a link that is mailed to them.
     */
    passwordHash: text('password_hash'),
    /** When the password was set; for a person without one, when the row was made. */
    passwordChangedAt: instant('password_changed_at').notNull().defaultNow(),
    /** When the password stopped working because somebody else knew it; null while it works. */
    passwordExpiredAt: instant('password_expired_at'),
    /**
     * False if the address is not known to be in its normal form. Another spelling does not find
     * such a row at a login.
     */
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
