import { sql } from 'drizzle-orm';
import {
  boolean,
  check,
  foreignKey,
  index,
  integer,
  pgTable,
  primaryKey,
  text,
  unique,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import { instant, key } from './columns';
import { tenantRows } from './tenantRows';
import { tenants } from './tenants';
import { tenantStaff } from './tenantStaff';

/** The acts that are open to somebody who acts as another member. */
export const IMPERSONATION_SCOPES = ['read_only', 'full'] as const;
export type ImpersonationScope = (typeof IMPERSONATION_SCOPES)[number];

/** How the subject takes part: not at all, by a mail at the start, or by a consent before it. */
export const IMPERSONATION_CONSENTS = ['none', 'told', 'required'] as const;
export type ImpersonationConsent = (typeof IMPERSONATION_CONSENTS)[number];

/**
 * One member acts as another one for some minutes. It is no session: it has no refresh token, and
 * counts toward no limit. `staff_id` and `user_id` are the subject, as in every other table.
 */
export const impersonations = pgTable(
  'impersonations',
  {
    id: key(),
    tenantId: uuid('tenant_id').notNull(),
    staffId: uuid('staff_id').notNull(),
    userId: uuid('user_id').notNull(),
    /** The subject's version at the start. */
    sessionVersion: integer('session_version').notNull(),
    actorStaffId: uuid('actor_staff_id').notNull(),
    actorUserId: uuid('actor_user_id').notNull(),
    /** The actor's own session, which goes on beside it. It may have been purged. */
    actorSessionId: uuid('actor_session_id').notNull(),
    actorSessionVersion: integer('actor_session_version').notNull(),
    scope: text('scope').$type<ImpersonationScope>().notNull(),
    reason: text('reason').notNull(),
    ticket: text('ticket'),
    /** The demand of the tenant's policy at the start. */
    consent: text('consent').$type<ImpersonationConsent>().notNull(),
    /** When the subject gave the consent that it rests on; null if none was needed. */
    consentGivenAt: instant('consent_given_at'),
    startedAt: instant('started_at').notNull().defaultNow(),
    expiresAt: instant('expires_at').notNull(),
    /** When it was used from an address that is not allowed, which ends it. */
    addressRefusedAt: instant('address_refused_at'),
    endedAt: instant('ended_at'),
    endReason: text('end_reason'),
  },
  (table) => [
    unique('impersonations_tenant_id_unique').on(table.tenantId, table.id),
    foreignKey({
      name: 'impersonations_staff_fk',
      columns: [table.tenantId, table.staffId, table.userId],
      foreignColumns: [tenantStaff.tenantId, tenantStaff.id, tenantStaff.userId],
    }),
    foreignKey({
      name: 'impersonations_actor_fk',
      columns: [table.tenantId, table.actorStaffId, table.actorUserId],
      foreignColumns: [tenantStaff.tenantId, tenantStaff.id, tenantStaff.userId],
    }),
    check('impersonations_scope', sql`${table.scope} IN ('read_only', 'full')`),
    check('impersonations_consent', sql`${table.consent} IN ('none', 'told', 'required')`),
    check(
      'impersonations_consent_given',
      sql`(${table.consent} = 'required') = (${table.consentGivenAt} IS NOT NULL)`,
    ),
    check('impersonations_two_people', sql`${table.staffId} <> ${table.actorStaffId}`),
    check(
      'impersonations_an_hour',
      sql`${table.expiresAt} <= ${table.startedAt} + interval '60 minutes'`,
    ),
    check(
      'impersonations_end_whole',
      sql`num_nulls(${table.endedAt}, ${table.endReason}) IN (0, 2)`,
    ),
    uniqueIndex('impersonations_one_of_actor')
      .on(table.tenantId, table.actorStaffId)
      .where(sql`${table.endedAt} IS NULL`),
    index('idx_impersonations_running')
      .on(table.tenantId, table.staffId)
      .where(sql`${table.endedAt} IS NULL`),
    index('idx_impersonations_tenant').on(table.tenantId, table.startedAt),
    tenantRows('impersonations'),
  ],
);

/** How often each route was asked for in an impersonation. */
export const impersonationActs = pgTable(
  'impersonation_acts',
  {
    impersonationId: uuid('impersonation_id').notNull(),
    tenantId: uuid('tenant_id').notNull(),
    /** Method and route, for example `GET /api/tenants/staff/:id`. */
    route: text('route').notNull(),
    refused: boolean('refused').notNull(),
    times: integer('times').notNull().default(1),
  },
  (table) => [
    primaryKey({
      name: 'impersonation_acts_pk',
      columns: [table.impersonationId, table.route, table.refused],
    }),
    foreignKey({
      name: 'impersonation_acts_impersonation_fk',
      columns: [table.tenantId, table.impersonationId],
      foreignColumns: [impersonations.tenantId, impersonations.id],
    }),
    tenantRows('impersonation_acts'),
  ],
);

/** A member allows others to act as them until a time that they choose. */
export const impersonationConsents = pgTable(
  'impersonation_consents',
  {
    tenantId: uuid('tenant_id').notNull(),
    staffId: uuid('staff_id').notNull(),
    userId: uuid('user_id').notNull(),
    givenAt: instant('given_at').notNull().defaultNow(),
    expiresAt: instant('expires_at').notNull(),
    withdrawnAt: instant('withdrawn_at'),
  },
  (table) => [
    primaryKey({ name: 'impersonation_consents_pk', columns: [table.tenantId, table.staffId] }),
    foreignKey({
      name: 'impersonation_consents_staff_fk',
      columns: [table.tenantId, table.staffId, table.userId],
      foreignColumns: [tenantStaff.tenantId, tenantStaff.id, tenantStaff.userId],
    }),
    check(
      'impersonation_consents_a_month',
      sql`${table.expiresAt} <= ${table.givenAt} + interval '30 days'`,
    ),
    tenantRows('impersonation_consents'),
  ],
);

/** The policy of a tenant. A tenant without a row uses the defaults. */
export const impersonationPolicies = pgTable(
  'impersonation_policies',
  {
    tenantId: uuid('tenant_id')
      .primaryKey()
      .references(() => tenants.id),
    /** Grows by one with each change, so that a change based on an older version is detected. */
    version: integer('version').notNull().default(1),
    mode: text('mode').$type<'off' | ImpersonationScope>().notNull().default('read_only'),
    consent: text('consent').$type<ImpersonationConsent>().notNull().default('told'),
    ticketRequired: boolean('ticket_required').notNull().default(false),
    maxMinutes: integer('max_minutes').notNull().default(60),
    updatedAt: instant('updated_at').notNull().defaultNow(),
    /** Null if an operator wrote it. */
    updatedBy: uuid('updated_by'),
  },
  (table) => [
    check('impersonation_policies_mode', sql`${table.mode} IN ('off', 'read_only', 'full')`),
    check('impersonation_policies_consent', sql`${table.consent} IN ('none', 'told', 'required')`),
    check('impersonation_policies_minutes', sql`${table.maxMinutes} BETWEEN 1 AND 60`),
    tenantRows('impersonation_policies'),
  ],
);
