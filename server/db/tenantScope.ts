import { is, sql } from 'drizzle-orm';
import { PgTransaction } from 'drizzle-orm/pg-core';
import type { PgTransactionConfig } from 'drizzle-orm/pg-core';
import type { Pool, PoolClient } from 'pg';
import type { Db, Tx } from '.';
import type { BypassName } from './schema/bypasses';
import { isRowId } from './ids';

/** The parts of Drizzle's transaction that its types do not show. */
interface Inside {
  /** One object for each transaction of a pool, shared by its savepoints. */
  readonly session: object;
  /** 0 outside any savepoint. */
  readonly nestedIndex: number;
}

/** What a transaction has named. */
interface Scope {
  readonly tenantId?: string;
  readonly bypass?: BypassName;
}

/** The scope of each open transaction, by its session. */
const scopes = new WeakMap<object, Scope>();

/**
 * Returns the statement that limits the rest of a transaction to a tenant's rows, for clients that
 * send their own BEGIN. It holds until the transaction ends, so it is safe behind every pooler.
 * @throws Error if the id is no UUID
 */
export function scopeToTenant(tenantId: string): string {
  if (!isRowId(tenantId)) throw new Error('a transaction was to be limited to an invalid tenant');
  return `SET LOCAL gatehouse.tenant_id = '${tenantId}'`;
}

const NO_BYPASS = "SET LOCAL gatehouse.bypass = ''";

/** Returns the statement that opens a bypass for the rest of a transaction. */
export const scopeToBypass = (name: BypassName): string => `SET LOCAL gatehouse.bypass = '${name}'`;

/**
 * Begins a transaction with a setting in it. The setting is sent with BEGIN, so it costs no round
 * trip: Drizzle appends the access mode to BEGIN as it is, and sends the text without parameters.
 */
const beginWith = (setting: string) =>
  ({ accessMode: `read write; ${setting}` }) as unknown as PgTransactionConfig;

const insideOf = (db: Db | Tx): (Inside & Tx) | undefined =>
  is(db, PgTransaction) ? (db as unknown as Inside & Tx) : undefined;

/** Remembers what a transaction of a pool has just named. */
function begun(tx: Tx, scope: Scope): Tx {
  const open = insideOf(tx);
  if (open) scopes.set(open.session, scope);
  return tx;
}

/** Runs work with a setting in an open transaction, and sets it back afterwards. */
async function withSetting<T>(open: Tx, set: string, back: string, work: () => Promise<T>) {
  await open.execute(sql.raw(set));
  try {
    return await work();
  } finally {
    // In a transaction that has failed, nothing can be set, and nothing can be read either.
    await open.execute(sql.raw(back)).catch(() => undefined);
  }
}

/**
 * Runs statements that see and write the rows of one tenant alone, in every table with row-level
 * security. On a Db it opens a transaction. On a Tx that has named no tenant, or another one, it
 * names this one for the work.
 * @throws Error if the id is no UUID; whatever the work throws
 */
export async function inTenant<T>(
  db: Db | Tx,
  tenantId: string,
  work: (tx: Tx) => Promise<T>,
): Promise<T> {
  const setting = scopeToTenant(tenantId);
  const open = insideOf(db);
  if (!open) {
    return db.transaction((tx) => work(begun(tx, { tenantId })), beginWith(setting));
  }
  const scope = scopes.get(open.session);
  if (scope?.tenantId === tenantId) return work(open);
  if (scope?.tenantId !== undefined) {
    return withSetting(open, setting, scopeToTenant(scope.tenantId), () => work(open));
  }
  await open.execute(sql.raw(setting));
  // A savepoint that is rolled back takes the setting with it, so it is not remembered.
  if (open.nestedIndex === 0) scopes.set(open.session, { ...scope, tenantId });
  return work(open);
}

/**
 * Runs statements about rows of several tenants, or of one that is not known yet, through a bypass
 * that `bypasses.ts` lists. On a Db it opens a transaction. On a Tx the bypass ends with the work.
 * @throws whatever the work throws
 */
export async function acrossTenants<T>(
  db: Db | Tx,
  bypass: BypassName,
  work: (tx: Tx) => Promise<T>,
): Promise<T> {
  const setting = scopeToBypass(bypass);
  const open = insideOf(db);
  if (!open) {
    return db.transaction((tx) => work(begun(tx, { bypass })), beginWith(setting));
  }
  const before = scopes.get(open.session)?.bypass;
  if (before === bypass) return work(open);
  const back = before === undefined ? NO_BYPASS : scopeToBypass(before);
  return withSetting(open, setting, back, () => work(open));
}

/**
 * Runs statements of a pool's client in one transaction through a bypass, for code that sends its
 * own SQL.
 * @throws the driver's error, or whatever the work throws
 */
export async function clientAcrossTenants<T>(
  pool: Pool,
  bypass: BypassName,
  work: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query(`BEGIN; ${scopeToBypass(bypass)}`);
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch((cause: unknown) => {
      broken = cause instanceof Error ? cause : new Error('the connection is broken', { cause });
    });
    throw error;
  } finally {
    client.release(broken);
  }
}
