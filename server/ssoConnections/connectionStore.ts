import { and, asc, eq, isNull, sql } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { ssoConnections } from '../db/schema';
import { inTenant } from '../db/tenantScope';
import type { ProviderMetadata } from './providerMetadata';

/** The database's clock, rounded down as the columns are read. */
const NOW = sql`date_trunc('milliseconds', clock_timestamp())`;

/** The columns of a connection that people may see. The secrets are not among them. */
const SHOWN = {
  id: ssoConnections.id,
  name: ssoConnections.name,
  issuer: ssoConnections.issuer,
  clientId: ssoConnections.clientId,
  tokenAuth: ssoConnections.tokenAuth,
  alg: ssoConnections.alg,
  requiredHostedDomain: ssoConnections.requiredHostedDomain,
  metadata: sql<ProviderMetadata>`${ssoConnections.metadata}`,
  discoveredAt: ssoConnections.metadataAt,
  secretChangedAt: ssoConnections.secretChangedAt,
  previousSecretUntil:
    sql<Date | null>`CASE WHEN ${ssoConnections.previousUntil} > clock_timestamp()
    THEN ${ssoConnections.previousUntil} END`.mapWith(ssoConnections.previousUntil),
  createdAt: ssoConnections.createdAt,
  changedAt: ssoConnections.changedAt,
};

const live = (tenantId: string, id?: string) =>
  and(
    eq(ssoConnections.tenantId, tenantId),
    id === undefined ? undefined : eq(ssoConnections.id, id),
    isNull(ssoConnections.deletedAt),
  );

/** Lists the connections of a tenant that are not deleted, the oldest first. */
export const listConnectionRows = (db: Db | Tx, tenantId: string, id?: string) =>
  inTenant(db, tenantId, (tx) =>
    tx
      .select(SHOWN)
      .from(ssoConnections)
      .where(live(tenantId, id))
      .orderBy(asc(ssoConnections.createdAt), asc(ssoConnections.id)),
  );

export type ConnectionRow = Awaited<ReturnType<typeof listConnectionRows>>[number];

type Insert = typeof ssoConnections.$inferInsert;
/** The columns that a tenant or its provider decides. */
export type ConnectionColumns = Pick<
  Insert,
  'name' | 'issuer' | 'clientId' | 'tokenAuth' | 'alg' | 'requiredHostedDomain'
> & { metadata: ProviderMetadata };
interface SealedSecret {
  readonly secretSealed: Buffer;
  readonly secretKeyId: string;
}

/** Stores a new connection; a draft has no secret. */
export const insertConnection = (
  tx: Tx,
  row: ConnectionColumns & Partial<SealedSecret> & { id: string; tenantId: string },
): Promise<void> =>
  inTenant(tx, row.tenantId, async (own) => {
    const secretChangedAt = row.secretSealed ? NOW : null;
    const times = { metadataAt: NOW, secretChangedAt, createdAt: NOW, changedAt: NOW };
    await own.insert(ssoConnections).values({ ...row, ...times });
  });

const NO_PREVIOUS = { previousSealed: null, previousKeyId: null, previousUntil: null };

/**
 * Writes the properties of a connection. A new secret takes the place of all others at once: they
 * belong to another client, or to another provider, which must not get them.
 * @param discovered whether the discovery document was read again
 */
export const updateConnection = (
  tx: Tx,
  tenantId: string,
  { id, ...set }: ConnectionColumns & Partial<SealedSecret> & { id: string },
  discovered: boolean,
): Promise<void> =>
  inTenant(tx, tenantId, async (own) => {
    const secret = set.secretSealed && { ...NO_PREVIOUS, secretChangedAt: NOW };
    await own
      .update(ssoConnections)
      .set({ ...set, ...secret, changedAt: NOW, ...(discovered && { metadataAt: NOW }) })
      .where(live(tenantId, id));
  });

/** Reads the sealed secret of a connection. */
export const readSealedSecret = (
  tx: Tx,
  tenantId: string,
  id: string,
): Promise<Buffer | undefined> =>
  inTenant(tx, tenantId, async (own) => {
    const [row] = await own
      .select({ sealed: ssoConnections.secretSealed })
      .from(ssoConnections)
      .where(live(tenantId, id));
    return row?.sealed ?? undefined;
  });

/** Stores another secret. The one before stays in use beside it for the overlap. */
export const replaceClientSecret = (
  tx: Tx,
  tenantId: string,
  { id, overlapSec, ...next }: SealedSecret & { id: string; overlapSec: number },
): Promise<void> =>
  inTenant(tx, tenantId, async (own) => {
    const previous = {
      previousSealed: sql`${ssoConnections.secretSealed}`,
      previousKeyId: sql`${ssoConnections.secretKeyId}`,
      previousUntil: sql`${NOW} + make_interval(secs => ${overlapSec})`,
    };
    const before = overlapSec === 0 ? NO_PREVIOUS : previous;
    await own
      .update(ssoConnections)
      .set({ ...next, ...before, secretChangedAt: NOW, changedAt: NOW })
      .where(live(tenantId, id));
  });

/** Marks a connection as deleted, and erases its secrets. */
export const eraseConnection = (tx: Tx, tenantId: string, id: string): Promise<void> =>
  inTenant(tx, tenantId, async (own) => {
    const erased = { secretSealed: null, secretKeyId: null, ...NO_PREVIOUS };
    await own
      .update(ssoConnections)
      .set({ ...erased, deletedAt: NOW })
      .where(live(tenantId, id));
  });
