import { sql } from 'drizzle-orm';
import { check, jsonb, pgTable, text } from 'drizzle-orm/pg-core';
import { instant } from './columns';

/**
 * The types of events that the team's own product may report, which the operator declares for all
 * tenants. So this table has no tenant id.
 */
export const declaredEventTypes = pgTable(
  'declared_event_types',
  {
    /** The action of the events, such as `app.project.deleted`. */
    name: text('name').primaryKey(),
    /** A sentence for the people who read the events. */
    sentence: text('sentence').notNull(),
    /** The schema of the details, in a subset of JSON Schema. */
    details: jsonb('details').$type<Record<string, unknown>>().notNull(),
    declaredAt: instant('declared_at').notNull().defaultNow(),
    /** When the sentence or the schema last changed; null if it never did. */
    changedAt: instant('changed_at'),
    /** Since when no event of the type is accepted; null while it is. */
    withdrawnAt: instant('withdrawn_at'),
  },
  (table) => [
    check(
      'declared_event_types_name_format',
      sql`${table.name} ~ '^app\\.[a-z0-9][a-z0-9._-]{0,58}$'`,
    ),
  ],
);
