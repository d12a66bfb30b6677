import { sql } from 'drizzle-orm';
import { check, jsonb, pgTable, text, unique, uniqueIndex, uuid } from 'drizzle-orm/pg-core';
import { bytea, instant, key } from './columns';
import { tenantRows } from './tenantRows';
import { tenants } from './tenants';

/** The connection of a tenant to an OpenID Connect provider. */
export const ssoConnections = pgTable(
  'sso_connections',
  {
    id: key(),
    tenantId: uuid('tenant_id')
      .notNull()
      .references(() => tenants.id),
    name: text('name').notNull(),
    /** Compared byte for byte with the issuer that the provider names. */
    issuer: text('issuer').notNull(),
    /** Null for a draft, until somebody has created the client at the provider. */
    clientId: text('client_id'),
    /** How the client secret is sent to the provider. */
    tokenAuth: text('token_auth').$type<'basic' | 'post'>().notNull(),
    /** The only algorithm by which tokens may be signed. */
    alg: text('alg').$type<'ES256' | 'PS256' | 'RS256' | 'EdDSA' | 'Ed25519'>().notNull(),
    /** The Google Workspace domain whose people may sign in; null for other providers. */
    requiredHostedDomain: text('required_hosted_domain'),
    /** What is kept of the discovery document, under its own names. */
    metadata: jsonb('metadata').notNull(),
    metadataAt: instant('metadata_at').notNull(),
    /** AES-256-GCM: nonce, tag, ciphertext; bound to the tenant and this row's id. Null in drafts and deleted rows. */
    secretSealed: bytea('secret_sealed'),
    /** Identifies the ENCRYPTION_KEY that sealed it. */
    secretKeyId: text('secret_key_id'),
    secretChangedAt: instant('secret_changed_at'),
    /** The secret before the last change. It is in use beside the new one until `previous_until`. */
    previousSealed: bytea('previous_sealed'),
    previousKeyId: text('previous_key_id'),
    previousUntil: instant('previous_until'),
    createdAt: instant('created_at').notNull().defaultNow(),
    changedAt: instant('changed_at').notNull().defaultNow(),
    deletedAt: instant('deleted_at'),
  },
  (table) => [
    unique('sso_connections_tenant_unique').on(table.tenantId, table.id),
    uniqueIndex('sso_connections_client_unique')
      .on(table.tenantId, table.issuer, table.clientId)
      .where(sql`${table.deletedAt} IS NULL`),
    check('sso_connections_token_auth', sql`${table.tokenAuth} IN ('basic', 'post')`),
    check(
      'sso_connections_secret_whole',
      sql`num_nulls(${table.secretSealed}, ${table.secretKeyId}) = CASE WHEN ${table.deletedAt} IS NULL AND ${table.clientId} IS NOT NULL THEN 0 ELSE 2 END`,
    ),
    check(
      'sso_connections_previous_whole',
      sql`num_nulls(${table.previousSealed}, ${table.previousKeyId}, ${table.previousUntil}) IN (0, 3)`,
    ),
    tenantRows('sso_connections'),
  ],
);
