import { randomBytes } from 'node:crypto';
import type { Express } from 'express';
import { asc, eq, sql } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { tenantStaff, users } from '@/server/db/schema';
import { seedAdministrator } from './administrator';
import type { SeededAuth } from '../seedAuth';
import { as } from './officer';

/** A password that the policy accepts for anybody. */
export const GOOD_PASSWORD = 'violet harbour umbrella 42';
export const INVITATIONS = '/api/tenants/invitations';

export const newAddress = () => `invited-${randomBytes(6).toString('hex')}@example.com`;
export const tokenOf = (link: string): string => link.slice(link.lastIndexOf('/') + 1);

export interface Invited {
  id: string;
  email: string;
  link: string;
  token: string;
}

/** Invites somebody with a link to hand over, as an administrator. */
export async function inviteByLink(
  app: Express,
  administrator: Pick<SeededAuth, 'token'>,
  change: Record<string, unknown> = {},
): Promise<Invited> {
  const body = { email: newAddress(), roles: ['member'], delivery: 'link', ...change };
  const res = await as(app, administrator).post(INVITATIONS, body);
  if (res.status !== 201) throw new Error(`the invitation was answered with ${res.status}`);
  const { id, email, link } = res.body as { id: string; email: string; link: string };
  return { id, email, link, token: tokenOf(link) };
}

/** Creates an administrator of a new tenant, and somebody whom they have invited. */
export async function seedInvited(app: Express, change: Record<string, unknown> = {}) {
  const administrator = await seedAdministrator();
  return { administrator, invited: await inviteByLink(app, administrator, change) };
}

/** Makes an invitation as old as if so many seconds had passed. */
export async function makeOlder({ id }: Pick<Invited, 'id'>, seconds: number): Promise<void> {
  const by = sql`make_interval(secs => ${seconds})`;
  await db.execute(sql`UPDATE invitations SET created_at = created_at - ${by},
    sent_at = sent_at - ${by}, expires_at = expires_at - ${by},
    code_expires_at = code_expires_at - ${by} WHERE id = ${id}`);
}

export const accept = (app: Express, token: string, body: object, bearer?: string) => {
  const call = request(app).post(`/api/invitations/${token}/accept`);
  return (bearer === undefined ? call : call.set('authorization', `Bearer ${bearer}`)).send(body);
};

/** Returns the memberships of everybody with this address, oldest first. */
export const membershipsOf = (email: string) =>
  db
    .select({
      userId: users.id,
      name: users.name,
      passwordHash: users.passwordHash,
      ...{ tenantId: tenantStaff.tenantId, staffId: tenantStaff.id, status: tenantStaff.status },
      ...{ roles: tenantStaff.roles, permissions: tenantStaff.permissions },
    })
    .from(users)
    .innerJoin(tenantStaff, eq(tenantStaff.userId, users.id))
    .where(eq(users.email, email))
    .orderBy(asc(tenantStaff.id));
