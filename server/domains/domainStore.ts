import { and, asc, count, eq, isNull, sql } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { MAY_SIGN_IN } from '../db/maySignIn';
import { domains, tenantStaff, tenants, users } from '../db/schema';
import { inTenant } from '../db/tenantScope';

export type StoredDomain = typeof domains.$inferSelect;

const standing = (tenantId: string) =>
  and(eq(domains.tenantId, tenantId), isNull(domains.removedAt));
const one = (tenantId: string, id: string) => and(standing(tenantId), eq(domains.id, id));
const millis = (instant: string) =>
  sql<number>`(extract(epoch FROM ${sql.raw(instant)}) * 1000)::float8`;
const NOW_MS = millis('clock_timestamp()');

/** Returns the time of the database now. */
const toDate = (ms: number | undefined): Date => new Date(Math.floor(ms ?? 0));

/** Lists the domains of a tenant that were not removed, in the order of their names. */
export const listDomains = (db: Db | Tx, tenantId: string): Promise<StoredDomain[]> =>
  inTenant(db, tenantId, (tx) =>
    tx.select().from(domains).where(standing(tenantId)).orderBy(asc(domains.domain)),
  );

/** Makes changes of a tenant's domains happen one after the other. */
export async function lockDomains(tx: Tx, tenantId: string): Promise<void> {
  await tx
    .select({ id: tenants.id })
    .from(tenants)
    .where(eq(tenants.id, tenantId))
    .for('no key update');
}

/** Counts what the limits of a tenant are about. Call it after {@link lockDomains}. */
export async function countDomains(
  tx: Tx,
  tenantId: string,
  domain: string,
): Promise<{ all: number; same: number; lastHour: number }> {
  const [row] = await tx
    .select({
      all: sql<number>`count(*) FILTER (WHERE ${domains.removedAt} IS NULL)::int`,
      same: sql<number>`count(*) FILTER (WHERE ${domains.removedAt} IS NULL AND ${domains.domain} = ${domain})::int`,
      lastHour: sql<number>`count(*) FILTER (WHERE ${domains.createdAt} > clock_timestamp() - interval '1 hour')::int`,
    })
    .from(domains)
    .where(eq(domains.tenantId, tenantId));
  return row ?? { all: 0, same: 0, lastHour: 0 };
}

export async function insertDomain(
  tx: Tx,
  row: Pick<StoredDomain, 'id' | 'tenantId' | 'domain' | 'token' | 'createdBy'>,
): Promise<StoredDomain> {
  const [stored] = await tx.insert(domains).values(row).returning();
  if (!stored) throw new Error('a domain was not stored');
  return stored;
}

/** Counts the domains of a tenant that somebody had checked in the last minute. */
export async function countAsked(tx: Tx, tenantId: string): Promise<number> {
  const lastMinute = sql`${domains.askedAt} > clock_timestamp() - interval '1 minute'`;
  const [row] = await tx
    .select({ asked: count() })
    .from(domains)
    .where(and(eq(domains.tenantId, tenantId), lastMinute));
  return row?.asked ?? 0;
}

/** Reads a domain with the milliseconds since somebody asked for a look, or null. */
export async function findAsked(tx: Tx, tenantId: string, id: string) {
  const sinceMs = sql<
    number | null
  >`(extract(epoch FROM clock_timestamp() - ${domains.askedAt}) * 1000)::float8`;
  const [row] = await tx.select({ sinceMs }).from(domains).where(one(tenantId, id));
  return row;
}

/** A look that begins: the record it is about, and the time of the database. */
export interface Look {
  tenantId: string;
  id: string;
  domain: string;
  token: string;
  startedAt: Date;
}

/** Notes that somebody asks for a look. */
export async function markAsked(tx: Tx, tenantId: string, id: string): Promise<Look | undefined> {
  const { domain, token } = domains;
  const [row] = await tx
    .update(domains)
    .set({ askedAt: sql`clock_timestamp()` })
    .where(one(tenantId, id))
    .returning({ tenantId: domains.tenantId, id: domains.id, domain, token, nowMs: NOW_MS });
  if (!row) return undefined;
  const { nowMs, ...rest } = row;
  return { ...rest, startedAt: toDate(nowMs) };
}

/** Locks a domain that was not removed, and reads it with the time of the database after the lock. */
export async function lockDomain(
  tx: Tx,
  tenantId: string,
  id: string,
): Promise<{ row: StoredDomain; now: Date } | undefined> {
  const [row] = await tx.select().from(domains).where(one(tenantId, id)).for('update');
  if (!row) return undefined;
  const { rows } = await tx.execute<{ nowMs: number }>(sql`SELECT ${NOW_MS} AS "nowMs"`);
  return { row, now: toDate(rows[0]?.nowMs) };
}

/** Writes what a look or a removal changes. */
export async function updateDomain(
  tx: Tx,
  tenantId: string,
  id: string,
  set: Partial<StoredDomain>,
): Promise<StoredDomain | undefined> {
  const [row] = await tx.update(domains).set(set).where(one(tenantId, id)).returning();
  return row;
}

/** Lists the members who may change the security settings, and may sign in. */
export async function listEditors(tx: Tx, tenantId: string, most: number): Promise<string[]> {
  const rows = await tx
    .select({ staffId: tenantStaff.id })
    .from(tenantStaff)
    .innerJoin(users, eq(users.id, tenantStaff.userId))
    .innerJoin(tenants, eq(tenants.id, tenantStaff.tenantId))
    .where(
      and(
        eq(tenantStaff.tenantId, tenantId),
        MAY_SIGN_IN,
        sql`${tenantStaff.permissions} @> ARRAY['SETTINGS_SECURITY_EDIT']::text[]`,
      ),
    )
    .orderBy(asc(tenantStaff.id))
    .limit(most);
  return rows.map(({ staffId }) => staffId);
}
