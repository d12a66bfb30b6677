import type { Express } from 'express';
import { eq } from 'drizzle-orm';
import { deps } from '@/server/app';
import { db } from '@/server/db';
import { tenantStaff } from '@/server/db/schema';
import { BUILT_IN_PERMISSIONS } from '@/server/permissions';
import { changeAccess } from '@/server/tenants';
import { operatorContext } from '../server/openNode';
import { seedTestUserAndToken } from '../seedAuth';
import type { SeedOptions, SeededAuth } from '../seedAuth';
import { as } from './officer';

/** Creates a member who holds every built-in permission, directly and without a role. */
export const seedAdministrator = (options: SeedOptions = {}): Promise<SeededAuth> =>
  seedTestUserAndToken({ permissions: [...BUILT_IN_PERMISSIONS], ...options });

/** Gives a member these roles and no others, as an operator does. */
export const giveRoles = (
  { tenantId, staffId }: Pick<SeededAuth, 'tenantId' | 'staffId'>,
  ...roles: string[]
) => changeAccess(deps, operatorContext, { tenantId, staffId }, { roles }, { via: 'operator' });

/** Returns the roles and the permissions in effect that are stored for a member. */
export async function accessNow({ staffId }: Pick<SeededAuth, 'staffId'>) {
  const { roles, permissions } = tenantStaff;
  const [row] = await db
    .select({ roles, permissions })
    .from(tenantStaff)
    .where(eq(tenantStaff.id, staffId));
  return row;
}

/** Creates a role of a tenant's own, as its administrator, and returns its id. */
export async function makeRole(
  app: Express,
  administrator: SeededAuth,
  name: string,
  permissions: string[],
): Promise<string> {
  const body = { name, permissions };
  const res = await as(app, administrator).post('/api/tenants/roles', body);
  if (res.status !== 201) throw new Error(`the role was answered with ${res.status}`);
  return String(res.body.id);
}

/** Makes the requests of somebody who manages members. */
export async function manageMembers(app: Express): Promise<void> {
  const admin = await seedAdministrator();
  const { staffId } = await seedTestUserAndToken({ tenantId: admin.tenantId });
  const path = `/api/tenants/staff/${staffId}`;
  await as(app, admin).get('/api/tenants/staff?search=staff-&limit=1').expect(200);
  await as(app, admin).get(`${path}/sessions`).expect(200);
  await as(app, admin).post('/api/tenants/staff/force-logout', {}).expect(200);
  await as(app, admin).post(`${path}/reset-factors`, { reason: 'Lost' }).expect(200);
  await as(app, admin).del(path).expect(204);
}
