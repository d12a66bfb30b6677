import type { Express } from 'express';
import { asc, eq } from 'drizzle-orm';
import { db } from '@/server/db';
import { impersonations } from '@/server/db/schema';
import { seedTestUserAndToken } from '../seedAuth';
import type { SeededAuth } from '../seedAuth';
import { as } from './officer';

export const IMPERSONATION = '/api/security/impersonation';

/** Somebody who may act as others, and a member of the same tenant. */
export interface Pair {
  actor: SeededAuth;
  subject: SeededAuth;
}

/**
 * Creates a pair in a new tenant. By default the actor may see and manage members, and the subject
 * may see them.
 */
export async function seedPair(
  ofActor: readonly string[] = ['TENANT_STAFF_VIEW', 'TENANT_STAFF_MANAGE'],
  ofSubject: readonly string[] = ['TENANT_STAFF_VIEW'],
): Promise<Pair> {
  const actor = await seedTestUserAndToken({ permissions: ['IMPERSONATE', ...ofActor] });
  const { tenantId } = actor;
  return { actor, subject: await seedTestUserAndToken({ tenantId, permissions: [...ofSubject] }) };
}

/** Asks to act as a member, with a fresh proof. */
export const ask = (app: Express, { actor, subject }: Pair, more: object = {}) =>
  as(app, actor).post(`${IMPERSONATION}/start`, {
    ...{ staffId: subject.staffId, reason: 'To see what they see' },
    ...more,
  });

/** Begins to act as a member. @returns the id of the impersonation and its token */
export async function impersonate(
  app: Express,
  pair: Pair,
  more: object = {},
): Promise<{ id: string; token: string }> {
  const res = await ask(app, pair, more);
  if (res.status !== 201) {
    throw new Error(`the start was answered with ${res.status} ${JSON.stringify(res.body)}`);
  }
  return { id: String(res.body.impersonation.id), token: String(res.body.accessToken) };
}

/** Sets the tenant's rules, as somebody who may. */
export async function setRules(
  app: Express,
  tenantId: string,
  change: object,
  version = 0,
): Promise<void> {
  const officer = await seedTestUserAndToken({ tenantId, permissions: ['SETTINGS_SECURITY_EDIT'] });
  const usual = { mode: 'read_only', consent: 'told', ticketRequired: false, maxMinutes: 60 };
  const body = { version, policy: { ...usual, ...change } };
  const res = await as(app, officer).put(`${IMPERSONATION}/policy`, body);
  if (res.status !== 200) throw new Error(`the rules were answered with ${res.status}`);
}

/** Returns the impersonations of a tenant, oldest first. */
export const impersonationsOf = (tenantId: string) =>
  db
    .select()
    .from(impersonations)
    .where(eq(impersonations.tenantId, tenantId))
    .orderBy(asc(impersonations.startedAt), asc(impersonations.id));
