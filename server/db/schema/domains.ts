import { sql } from 'drizzle-orm';
import { check, index, integer, pgTable, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core';
import { instant, key } from './columns';
import { tenantRows } from './tenantRows';
import { tenants } from './tenants';

/**
 * The outcome of one look for a TXT record: the record is there; its name has no TXT record; it has
 * others; another tenant's proof holds although the record is there; or DNS gave no answer.
 */
export const DOMAIN_FINDINGS = ['found', 'missing', 'differs', 'taken', 'unreachable'] as const;
export type DomainFinding = (typeof DOMAIN_FINDINGS)[number];

/** A domain that a tenant proves, or has proven, by a TXT record in DNS. */
export const domains = pgTable(
  'domains',
  {
    id: key(),
    tenantId: uuid('tenant_id')
      .notNull()
      .references(() => tenants.id),
    /** In ASCII and lower case, as in the addresses of people. */
    domain: text('domain').notNull(),
    /** Part of the TXT record. It is random for each row, so that no tenant can use the record of another. */
    token: text('token').notNull(),
    createdAt: instant('created_at').notNull().defaultNow(),
    /** The staff id of the administrator who added it. */
    createdBy: uuid('created_by').notNull(),
    /** When a look found the record first, or again after a loss. */
    provenAt: instant('proven_at'),
    /** When somebody last asked for a look. */
    askedAt: instant('asked_at'),
    /** When the last look began whose finding counted. */
    checkedAt: instant('checked_at'),
    finding: text('finding').$type<DomainFinding>(),
    /** When the next look is due; null if none is, because the domain is not proven. */
    nextCheckAt: instant('next_check_at'),
    /** Since when the record of a proven domain is gone. */
    failingSince: instant('failing_since'),
    /** The looks in a row, at least an hour apart, that found the record gone. */
    goneLooks: integer('gone_looks').notNull().default(0),
    /** When the last of those was. */
    goneAt: instant('gone_at'),
    lostAt: instant('lost_at'),
    /** When administrators last got a mail that the record is gone. */
    toldAt: instant('told_at'),
    removedAt: instant('removed_at'),
  },
  (table) => [
    check('domains_lower', sql`${table.domain} = lower(${table.domain})`),
    check(
      'domains_finding',
      sql`${table.finding} IN ('found', 'missing', 'differs', 'taken', 'unreachable')`,
    ),
    check('domains_lost_was_proven', sql`${table.lostAt} IS NULL OR ${table.provenAt} IS NOT NULL`),
    check(
      'domains_failing_proven',
      sql`${table.failingSince} IS NULL OR ${table.provenAt} IS NOT NULL`,
    ),
    uniqueIndex('domains_one_of_tenant')
      .on(table.tenantId, table.domain)
      .where(sql`${table.removedAt} IS NULL`),
    uniqueIndex('domains_one_proof')
      .on(table.domain)
      .where(
        sql`${table.provenAt} IS NOT NULL AND ${table.lostAt} IS NULL AND ${table.removedAt} IS NULL`,
      ),
    index('idx_domains_tenant').on(table.tenantId, table.createdAt),
    index('idx_domains_due')
      .on(table.nextCheckAt)
      .where(sql`${table.nextCheckAt} IS NOT NULL`),
    tenantRows('domains'),
  ],
);
