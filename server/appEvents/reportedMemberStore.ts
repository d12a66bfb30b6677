import { sql } from 'drizzle-orm';
import { acrossTenants } from '../db/tenantScope';
import type { Db, Tx } from '../db';

/** A tenant that an event names, by its id or its slug, and a member of it, if the event names one. */
export interface Named {
  readonly tenant: { readonly id: string } | { readonly slug: string };
  readonly member?: { readonly staffId: string } | { readonly userId: string };
}

/** What is known about the names of an event. */
export interface Found {
  /** Undefined if there is no such tenant, or it was deleted. */
  readonly tenantId: string | undefined;
  /** The staff id of the member, also of a disabled or a former one; undefined if there is none. */
  readonly staffId: string | undefined;
}

/** Looks a list of tenants and members up in one statement, in its order. */
export async function findNamed(db: Db | Tx, names: readonly Named[]): Promise<Found[]> {
  const wanted = names.map(({ tenant, member }, place) => ({ place, ...tenant, ...member }));
  const statement = sql`SELECT t.id AS "tenantId", s.id AS "staffId"
    FROM jsonb_to_recordset(${JSON.stringify(wanted)}::jsonb)
      AS w(place int, id uuid, slug text, "staffId" uuid, "userId" uuid)
    LEFT JOIN LATERAL (
      SELECT id FROM tenants WHERE id = w.id AND status <> 'deleted'
      UNION ALL SELECT id FROM tenants WHERE slug = w.slug AND status <> 'deleted'
    ) t ON true
    LEFT JOIN LATERAL (
      SELECT id FROM tenant_staff WHERE tenant_id = t.id AND id = w."staffId"
      UNION ALL SELECT id FROM tenant_staff WHERE tenant_id = t.id AND user_id = w."userId"
    ) s ON true
    ORDER BY w.place`;
  const { rows } = await acrossTenants(db, 'reported', (tx) =>
    tx.execute<{ tenantId: string | null; staffId: string | null }>(statement),
  );
  return rows.map(({ tenantId, staffId }) => ({
    tenantId: tenantId ?? undefined,
    staffId: staffId ?? undefined,
  }));
}
