import { sql } from 'drizzle-orm';
import { check, foreignKey, index, jsonb, pgTable, text, uuid } from 'drizzle-orm/pg-core';
import { instant, key } from './columns';
import { approvalDecision, approvalKind } from './enums';
import { tenantStaff } from './tenantStaff';
import { tenantRows } from './tenantRows';

/** A change that waits for a second administrator, or waited for one. */
export const approvalRequests = pgTable(
  'approval_requests',
  {
    id: key(),
    tenantId: uuid('tenant_id').notNull(),
    kind: approvalKind('kind').notNull(),
    /** The member whose permissions change; null for a role, an invitation or the policy. */
    staffId: uuid('staff_id'),
    userId: uuid('user_id'),
    /** The change, as the route that was called describes it. */
    change: jsonb('change').notNull(),
    reason: text('reason'),
    ticket: text('ticket'),
    requesterStaffId: uuid('requester_staff_id').notNull(),
    requesterUserId: uuid('requester_user_id').notNull(),
    createdAt: instant('created_at').notNull().defaultNow(),
    /** Nobody can approve it after this time. */
    expiresAt: instant('expires_at').notNull(),
    decision: approvalDecision('decision'),
    deciderStaffId: uuid('decider_staff_id'),
    deciderUserId: uuid('decider_user_id'),
    decidedAt: instant('decided_at'),
  },
  (table) => [
    foreignKey({
      name: 'approval_requests_staff_fk',
      columns: [table.tenantId, table.staffId, table.userId],
      foreignColumns: [tenantStaff.tenantId, tenantStaff.id, tenantStaff.userId],
    }),
    foreignKey({
      name: 'approval_requests_requester_fk',
      columns: [table.tenantId, table.requesterStaffId, table.requesterUserId],
      foreignColumns: [tenantStaff.tenantId, tenantStaff.id, tenantStaff.userId],
    }),
    foreignKey({
      name: 'approval_requests_decider_fk',
      columns: [table.tenantId, table.deciderStaffId, table.deciderUserId],
      foreignColumns: [tenantStaff.tenantId, tenantStaff.id, tenantStaff.userId],
    }),
    // A foreign key with one empty column checks nothing.
    check(
      'approval_requests_staff_whole',
      sql`(${table.staffId} IS NULL) = (${table.userId} IS NULL)`,
    ),
    check(
      'approval_requests_decision_whole',
      sql`num_nulls(${table.decision}, ${table.deciderStaffId}, ${table.deciderUserId}, ${table.decidedAt}) IN (0, 4)`,
    ),
    index('idx_approval_requests_tenant').on(table.tenantId, table.createdAt),
    index('idx_approval_requests_open')
      .on(table.tenantId, table.expiresAt)
      .where(sql`${table.decidedAt} IS NULL`),
    tenantRows('approval_requests'),
  ],
);
