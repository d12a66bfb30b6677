import { sql } from 'drizzle-orm';
import { check, foreignKey, index, pgTable, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core';
import { instant, key } from './columns';
import { ssoConnections } from './ssoConnections';
import { tenantRows } from './tenantRows';
import { tenantStaff } from './tenantStaff';

/**
 * The ground of a link: the proven domain of the member's address, or the member's consent in a
 * signed-in session.
 */
export const LINK_GROUNDS = ['domain', 'consent'] as const;
export type LinkGround = (typeof LINK_GROUNDS)[number];

/**
 * An identity at a provider that signs a member in: the triple of tenant, issuer and subject. It has
 * no address, because an address never proves who somebody is.
 */
export const identityLinks = pgTable(
  'identity_links',
  {
    id: key(),
    tenantId: uuid('tenant_id').notNull(),
    staffId: uuid('staff_id').notNull(),
    userId: uuid('user_id').notNull(),
    /** Byte for byte as in the ID token. */
    issuer: text('issuer').notNull(),
    subject: text('subject').notNull(),
    /** The connection through which it was linked. The link belongs to the issuer. */
    connectionId: uuid('connection_id').notNull(),
    how: text('how').$type<LinkGround>().notNull(),
    linkedAt: instant('linked_at').notNull(),
    lastUsedAt: instant('last_used_at'),
    endedAt: instant('ended_at'),
  },
  (table) => [
    foreignKey({
      name: 'identity_links_staff_fk',
      columns: [table.tenantId, table.staffId, table.userId],
      foreignColumns: [tenantStaff.tenantId, tenantStaff.id, tenantStaff.userId],
    }),
    foreignKey({
      name: 'identity_links_connection_fk',
      columns: [table.tenantId, table.connectionId],
      foreignColumns: [ssoConnections.tenantId, ssoConnections.id],
    }),
    uniqueIndex('identity_links_one_member')
      .on(table.tenantId, table.issuer, table.subject)
      .where(sql`${table.endedAt} IS NULL`),
    uniqueIndex('identity_links_one_of_member')
      .on(table.tenantId, table.staffId, table.issuer)
      .where(sql`${table.endedAt} IS NULL`),
    index('idx_identity_links_staff').on(table.tenantId, table.staffId, table.linkedAt),
    check('identity_links_how', sql`${table.how} IN ('domain', 'consent')`),
    check('identity_links_subject', sql`length(${table.subject}) BETWEEN 1 AND 255`),
    tenantRows('identity_links'),
  ],
);
