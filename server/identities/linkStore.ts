import { and, asc, eq, isNull, sql } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { identityLinks } from '../db/schema';
import { inTenant } from '../db/tenantScope';

/** The database's clock, rounded down as the columns are read. */
const NOW = sql`date_trunc('milliseconds', clock_timestamp())`;

export type LinkRow = typeof identityLinks.$inferSelect;
/** A new link, which the database dates. */
export type NewLink = Omit<
  typeof identityLinks.$inferInsert,
  'linkedAt' | 'lastUsedAt' | 'endedAt'
>;

const live = (tenantId: string) =>
  and(eq(identityLinks.tenantId, tenantId), isNull(identityLinks.endedAt));

/**
 * Finds the live link of an identity, the issuer and the subject byte for byte, and notes that it is
 * used now.
 */
export const useLink = (
  tx: Tx,
  tenantId: string,
  { issuer, subject }: { issuer: string; subject: string },
): Promise<LinkRow | undefined> =>
  inTenant(tx, tenantId, async (own) => {
    const [row] = await own
      .update(identityLinks)
      .set({ lastUsedAt: NOW })
      .where(
        and(live(tenantId), eq(identityLinks.issuer, issuer), eq(identityLinks.subject, subject)),
      )
      .returning();
    return row;
  });

/** Lists the live links of a member, the oldest first. */
export const listLinks = (db: Db | Tx, tenantId: string, staffId: string): Promise<LinkRow[]> =>
  inTenant(db, tenantId, (tx) =>
    tx
      .select()
      .from(identityLinks)
      .where(and(live(tenantId), eq(identityLinks.staffId, staffId)))
      .orderBy(asc(identityLinks.linkedAt), asc(identityLinks.id)),
  );

/**
 * Stores a new link. Two links of one identity, or of one member at one issuer, cannot exist.
 * @returns undefined if there is such a link already, also one that another request has just made
 */
export const insertLink = (tx: Tx, row: NewLink): Promise<LinkRow | undefined> =>
  inTenant(tx, row.tenantId, async (own) => {
    const [stored] = await own
      .insert(identityLinks)
      .values({ ...row, linkedAt: NOW })
      .onConflictDoNothing()
      .returning();
    return stored;
  });

/**
 * Ends live links of a member.
 * @param which the id of one link; undefined for all
 * @returns the links that this call has ended
 */
export const endLinkRows = (
  tx: Tx,
  tenantId: string,
  { staffId, id }: { staffId: string; id?: string },
): Promise<LinkRow[]> =>
  inTenant(tx, tenantId, (own) =>
    own
      .update(identityLinks)
      .set({ endedAt: NOW })
      .where(
        and(
          live(tenantId),
          eq(identityLinks.staffId, staffId),
          id === undefined ? undefined : eq(identityLinks.id, id),
        ),
      )
      .returning(),
  );

/** Ends all links of a tenant that is deleted. @returns how many there were */
export const endAllLinks = (tx: Tx, tenantId: string): Promise<number> =>
  inTenant(tx, tenantId, async (own) => {
    const { rowCount } = await own
      .update(identityLinks)
      .set({ endedAt: NOW })
      .where(live(tenantId));
    return rowCount ?? 0;
  });
