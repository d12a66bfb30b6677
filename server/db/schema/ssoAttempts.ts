import { sql } from 'drizzle-orm';
import {
  boolean,
  check,
  foreignKey,
  index,
  pgTable,
  text,
  unique,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import { bytea, instant, key } from './columns';
import { ssoConnections } from './ssoConnections';
import { tenantRows } from './tenantRows';
import { tenantStaff } from './tenantStaff';

/**
 * The purpose of an attempt: to sign in; to try a connection, which signs nobody in; or to link the
 * identity at the provider to the person who is signed in.
 */
export const SSO_ATTEMPT_KINDS = ['login', 'try', 'link'] as const;
export type SsoAttemptKind = (typeof SSO_ATTEMPT_KINDS)[number];

/** One visit of one browser at an identity provider. The database's clock dates it. */
export const ssoAttempts = pgTable(
  'sso_attempts',
  {
    id: key(),
    tenantId: uuid('tenant_id').notNull(),
    connectionId: uuid('connection_id').notNull(),
    kind: text('kind').$type<SsoAttemptKind>().notNull(),
    /** HMAC-SHA-256 of the `state` parameter. */
    stateHash: bytea('state_hash').notNull(),
    /** HMAC-SHA-256 of the browser's cookie. */
    cookieHash: bytea('cookie_hash').notNull(),
    /** HMAC-SHA-256 of the block of addresses from which it was begun, for the limit. */
    senderHash: bytea('sender_hash').notNull(),
    /** AES-256-GCM: the nonce, the PKCE verifier, and the client to which the browser was sent. */
    secretsSealed: bytea('secrets_sealed').notNull(),
    /** The signed-in person who tries or links; null for a sign-in. */
    staffId: uuid('staff_id'),
    userId: uuid('user_id'),
    /** Their session. It may have been purged. */
    sessionId: uuid('session_id'),
    rememberMe: boolean('remember_me').notNull(),
    createdAt: instant('created_at').notNull(),
    expiresAt: instant('expires_at').notNull(),
    /** When the browser came back, and the code was used up. */
    calledBackAt: instant('called_back_at'),
    /** AES-256-GCM: the claims that the provider has signed; null again once they were used. */
    claimsSealed: bytea('claims_sealed'),
    finishedAt: instant('finished_at'),
    /** `done`, or the reason of the refusal. */
    outcome: text('outcome'),
  },
  (table) => [
    foreignKey({
      name: 'sso_attempts_staff_fk',
      columns: [table.tenantId, table.staffId, table.userId],
      foreignColumns: [tenantStaff.tenantId, tenantStaff.id, tenantStaff.userId],
    }),
    foreignKey({
      name: 'sso_attempts_connection_fk',
      columns: [table.tenantId, table.connectionId],
      foreignColumns: [ssoConnections.tenantId, ssoConnections.id],
    }),
    unique('sso_attempts_state_unique').on(table.tenantId, table.stateHash),
    uniqueIndex('sso_attempts_cookie_unique').on(table.tenantId, table.cookieHash),
    index('idx_sso_attempts_sender').on(table.tenantId, table.senderHash, table.createdAt),
    check('sso_attempts_kind', sql`${table.kind} IN ('login', 'try', 'link')`),
    check(
      'sso_attempts_person',
      sql`num_nulls(${table.staffId}, ${table.userId}, ${table.sessionId}) = CASE WHEN ${table.kind} = 'login' THEN 3 ELSE 0 END`,
    ),
    check(
      'sso_attempts_end_whole',
      sql`num_nulls(${table.finishedAt}, ${table.outcome}) IN (0, 2)`,
    ),
    tenantRows('sso_attempts'),
  ],
);
