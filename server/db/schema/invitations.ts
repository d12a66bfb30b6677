import { sql } from 'drizzle-orm';
import {
  check,
  foreignKey,
  index,
  integer,
  pgTable,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import { bytea, instant, key } from './columns';
import { invitationDelivery } from './enums';
import { tenants } from './tenants';
import { tenantStaff } from './tenantStaff';
import { tenantRows } from './tenantRows';

/** An invitation to become a member of a tenant. It is open until it is accepted, revoked or expired. */
export const invitations = pgTable(
  'invitations',
  {
    id: key(),
    tenantId: uuid('tenant_id')
      .notNull()
      .references(() => tenants.id),
    /** The link names this id, with a tag. Sending the invitation again changes it, which ends the earlier link. */
    linkId: uuid('link_id').notNull(),
    /** In its normal form. */
    email: text('email').notNull(),
    roles: text('roles')
      .array()
      .notNull()
      .default(sql`'{}'::text[]`),
    permissions: text('permissions')
      .array()
      .notNull()
      .default(sql`'{}'::text[]`),
    delivery: invitationDelivery('delivery').notNull(),
    /** Null if an operator invited. */
    inviterStaffId: uuid('inviter_staff_id'),
    inviterUserId: uuid('inviter_user_id'),
    createdAt: instant('created_at').notNull().defaultNow(),
    sentAt: instant('sent_at').notNull().defaultNow(),
    expiresAt: instant('expires_at').notNull(),
    /** The end of the membership that it makes. Null if the membership has no end. */
    membershipEndsAt: instant('membership_ends_at'),
    /** The code that was mailed to prove the address, if the link was handed over. */
    codeHash: bytea('code_hash'),
    codeExpiresAt: instant('code_expires_at'),
    codeTries: integer('code_tries').notNull().default(0),
    /** How many codes were mailed for this link. */
    codesSent: integer('codes_sent').notNull().default(0),
    /** The inviter's own reference, for the events that follow. */
    ticket: text('ticket'),
    /** The member who approved it, if the tenant's policy asked for an approval. */
    approvedBy: uuid('approved_by'),
    acceptedAt: instant('accepted_at'),
    /** The member who accepted it. */
    staffId: uuid('staff_id'),
    userId: uuid('user_id'),
    revokedAt: instant('revoked_at'),
  },
  (table) => [
    foreignKey({
      name: 'invitations_inviter_fk',
      columns: [table.tenantId, table.inviterStaffId, table.inviterUserId],
      foreignColumns: [tenantStaff.tenantId, tenantStaff.id, tenantStaff.userId],
    }),
    foreignKey({
      name: 'invitations_staff_fk',
      columns: [table.tenantId, table.staffId, table.userId],
      foreignColumns: [tenantStaff.tenantId, tenantStaff.id, tenantStaff.userId],
    }),
    // A foreign key with one empty column checks nothing.
    check(
      'invitations_inviter_whole',
      sql`(${table.inviterStaffId} IS NULL) = (${table.inviterUserId} IS NULL)`,
    ),
    check(
      'invitations_acceptance_whole',
      sql`num_nulls(${table.acceptedAt}, ${table.staffId}, ${table.userId}) IN (0, 3)`,
    ),
    uniqueIndex('invitations_link_unique').on(table.linkId),
    uniqueIndex('invitations_open_unique')
      .on(table.tenantId, table.email)
      .where(sql`${table.acceptedAt} IS NULL AND ${table.revokedAt} IS NULL`),
    index('idx_invitations_tenant').on(table.tenantId, table.createdAt),
    tenantRows('invitations'),
  ],
);
