import { sql } from 'drizzle-orm';
import {
  boolean,
  char,
  foreignKey,
  index,
  integer,
  pgTable,
  text,
  unique,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import { instant, key } from './columns';
import { revokeReason } from './enums';
import { tenantRows } from './tenantRows';
import { tenantStaff } from './tenantStaff';

/** One signed-in device of one staff member. */
export const userSessions = pgTable(
  'user_sessions',
  {
    id: key(),
    tenantId: uuid('tenant_id').notNull(),
    userId: uuid('user_id').notNull(),
    staffId: uuid('staff_id').notNull(),
    sessionVersion: integer('session_version').notNull().default(1),
    rememberMe: boolean('remember_me').notNull().default(false),
    createdAt: instant('created_at').notNull().defaultNow(),
    lastSeenAt: instant('last_seen_at').notNull().defaultNow(),
    /** The absolute end, which no refresh extends. */
    expiresAt: instant('expires_at')
      .notNull()
      .default(sql`now() + interval '30 days'`),
    revokedAt: instant('revoked_at'),
    revokeReason: revokeReason('revoke_reason'),
    ip: text('ip'),
    country: char('country', { length: 2 }),
    userAgent: text('user_agent'),
    /** The hashes that identified the device at the login; null in older rows. */
    deviceHashes: text('device_hashes').array(),
    /**
     * The country in which the session began, even if a proof has changed `country` since; null in
     * older rows.
     */
    beganCountry: char('began_country', { length: 2 }),
    /** The home network of the session, as `networkOf` names it; null if it is not known. */
    network: text('network'),
    /** When a proof at a refresh moved the session's home to its present place. */
    originProvenAt: instant('origin_proven_at'),
    /** How the person signed in, as `amr` values of RFC 8176; null in older rows. */
    amr: text('amr').array(),
    /**
     * The tenant's connection through which a provider proved the person; null if they proved
     * themselves with their own password.
     */
    ssoConnectionId: uuid('sso_connection_id'),
    /** The provider's own id of its session, from the claim `sid`; null if it sent none. */
    providerSid: text('provider_sid'),
    /**
     * When the person proved their own password or mailbox in this session; null in older rows,
     * which are all of a password.
     */
    ownProofAt: instant('own_proof_at'),
    /** The id of the newest mailed link that proves the mailbox; null if there is none, or it was used. */
    ownProofLink: uuid('own_proof_link'),
    ownProofLinkUntil: instant('own_proof_link_until'),
  },
  (table) => [
    unique('user_sessions_tenant_id_unique').on(table.tenantId, table.id),
    foreignKey({
      name: 'user_sessions_staff_fk',
      columns: [table.tenantId, table.staffId, table.userId],
      foreignColumns: [tenantStaff.tenantId, tenantStaff.id, tenantStaff.userId],
    }),
    index('idx_user_sessions_tenant_user').on(table.tenantId, table.userId),
    index('idx_user_sessions_staff').on(table.staffId),
    index('idx_user_sessions_staff_active')
      .on(table.staffId, table.lastSeenAt.desc())
      .where(sql`${table.revokedAt} IS NULL`),
    index('idx_user_sessions_expires').on(table.expiresAt),
    // For the provider's own sign-out, which names its session.
    index('idx_user_sessions_provider')
      .on(table.tenantId, table.ssoConnectionId, table.providerSid)
      .where(sql`${table.ssoConnectionId} IS NOT NULL AND ${table.revokedAt} IS NULL`),
    uniqueIndex('idx_user_sessions_own_proof_link')
      .on(table.ownProofLink)
      .where(sql`${table.ownProofLink} IS NOT NULL`),
    index('idx_user_sessions_tenant_created').on(table.tenantId, table.createdAt),
    tenantRows('user_sessions'),
  ],
);
