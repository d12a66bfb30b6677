import { and, asc, eq, isNotNull, isNull, sql } from 'drizzle-orm';
import type { Db, Tx } from '../../db';
import { ssoConnections, tenants } from '../../db/schema';
import { inTenant } from '../../db/tenantScope';
import type { ProviderMetadata } from '../../ssoConnections';

const { id, name, issuer, clientId, tokenAuth, alg, requiredHostedDomain } = ssoConnections;

/** The parts of a connection that a sign-in needs, with its sealed secrets. */
const COLUMNS = {
  ...{ id, name, issuer, tokenAuth, alg, requiredHostedDomain },
  clientId: sql<string>`${clientId}`,
  tenantId: ssoConnections.tenantId,
  metadata: sql<ProviderMetadata>`${ssoConnections.metadata}`,
  secretSealed: ssoConnections.secretSealed,
  /** The secret before, while its overlap lasts by the database's clock. */
  previousSealed: sql<Buffer | null>`CASE WHEN ${ssoConnections.previousUntil} > clock_timestamp()
    THEN ${ssoConnections.previousSealed} END`.mapWith(ssoConnections.previousSealed),
};

const usable = (tenantId: string) =>
  and(
    eq(ssoConnections.tenantId, tenantId),
    isNull(ssoConnections.deletedAt),
    isNotNull(clientId),
    eq(tenants.status, 'active'),
  );

/**
 * Finds a connection at which people may sign in: it is neither deleted nor a draft, and its tenant
 * is active.
 */
export const findClient = (db: Db | Tx, tenantId: string, wanted: string) =>
  inTenant(db, tenantId, async (tx) => {
    const [row] = await tx
      .select(COLUMNS)
      .from(ssoConnections)
      .innerJoin(tenants, eq(tenants.id, ssoConnections.tenantId))
      .where(and(usable(tenantId), eq(id, wanted)));
    return row;
  });

export type SignInClient = NonNullable<Awaited<ReturnType<typeof findClient>>>;

/** Lists the connections at which people of a tenant may sign in, the oldest first. */
export const listClients = (db: Db, tenantId: string): Promise<{ id: string; name: string }[]> =>
  inTenant(db, tenantId, (tx) =>
    tx
      .select({ id, name })
      .from(ssoConnections)
      .innerJoin(tenants, eq(tenants.id, ssoConnections.tenantId))
      .where(usable(tenantId))
      .orderBy(asc(ssoConnections.createdAt), asc(id)),
  );
