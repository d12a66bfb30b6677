import { sql } from 'drizzle-orm';
import type { SQL } from 'drizzle-orm';
import { users } from './schema';

/** Whether a person has a password, also an expired one. */
export const HAS_PASSWORD = sql<boolean>`${users.passwordHash} IS NOT NULL`;

/** When a person set their password; null if they have none. */
export const PASSWORD_SET_AT =
  sql<Date | null>`CASE WHEN ${HAS_PASSWORD} THEN ${users.passwordChangedAt} END`.mapWith(
    users.passwordChangedAt,
  ) as SQL<Date | null>;
