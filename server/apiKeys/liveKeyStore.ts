import type { Pool } from 'pg';
import { runPrepared } from '../db';
import type { PreparedStatement } from '../db';

/** The state of a key, against which each request is checked. The database's clock decides. */
interface KeyState {
  id: string;
  addresses: string[];
  secretHash: Buffer;
  previousHash: Buffer | null;
  /** The secret before the last rotation is still accepted. */
  previousLive: boolean;
  /** Neither revoked nor expired. */
  live: boolean;
  revoked: boolean;
  /** Its last use was noted less than a minute ago. */
  usedLately: boolean;
}

export interface TenantKeyState extends KeyState {
  tenantId: string;
  userId: string;
  staffId: string;
  sessionVersion: number;
  /** Those of the key that its holder has now. */
  permissions: string[];
  email: string;
  personName: string | null;
  tenantSlug: string;
  tenantName: string;
  name: string;
  expiresAt: Date;
  /** When the secret before the last rotation ends; null if there was none. */
  previousUntil: Date | null;
  /** Holder, user and tenant are all active. */
  active: boolean;
}

export interface ServiceKeyState extends KeyState {
  name: string;
  scopes: string[];
  expiresAt: Date | null;
}

const LIVE_TENANT_KEYS: PreparedStatement = {
  name: 'named_tenant_keys',
  text: 'SELECT * FROM gatehouse_named_tenant_keys($1)',
};

/**
 * The scalar subquery hides the length of the list from the planner, as in the function for the
 * keys of tenants.
 */
const LIVE_SERVICE_KEYS: PreparedStatement = {
  name: 'live_service_keys',
  text: `SELECT k.id, k.addresses, k.secret_hash AS "secretHash", k.previous_hash AS "previousHash",
    coalesce(k.previous_until > now(), false) AS "previousLive",
    (k.revoked_at IS NULL AND coalesce(k.expires_at > now(), true)) AS live, k.revoked_at IS NOT NULL AS revoked,
    coalesce(k.last_used_at > now() - interval '1 minute', false) AS "usedLately",
    k.name, k.scopes, k.expires_at AS "expiresAt"
    FROM unnest((SELECT $1::bytea[])::bytea[]) AS asked(hash)
    CROSS JOIN LATERAL (SELECT * FROM service_keys WHERE secret_hash = asked.hash OR previous_hash = asked.hash LIMIT 1) k`,
};

/**
 * Reads the keys with these hashes in one round trip. It spans tenants on purpose: a hash of a
 * secret with 256 bits names one key of one tenant, and requests of all tenants share the query.
 */
export const readTenantKeys = (pool: Pool, hashes: readonly Buffer[]): Promise<TenantKeyState[]> =>
  runPrepared<TenantKeyState>(pool, LIVE_TENANT_KEYS, [hashes]);

/** Reads the service keys with these hashes in one round trip. */
export const readServiceKeys = (
  pool: Pool,
  hashes: readonly Buffer[],
): Promise<ServiceKeyState[]> => runPrepared<ServiceKeyState>(pool, LIVE_SERVICE_KEYS, [hashes]);
