import { randomUUID } from 'node:crypto';
import type { Express } from 'express';
import { db } from '@/server/db';
import { declaredEventTypes } from '@/server/db/schema';
import type { Deps } from '@/server/deps';
import { makeServiceKey, withKey } from './programs';

export const DELETED = {
  sentence: 'A project was deleted',
  details: {
    type: 'object',
    properties: {
      project: { type: 'string', maxLength: 100 },
      amount: { type: 'integer', minimum: 0, maximum: 1000 },
      plan: { type: 'string', enum: ['free', 'paid'] },
    },
    required: ['project'],
  },
};

/** Declares the type `app.project.deleted`, whatever else is declared. */
export async function declareDeleted(): Promise<void> {
  await db
    .insert(declaredEventTypes)
    .values({ name: 'app.project.deleted', ...DELETED })
    .onConflictDoUpdate({
      target: declaredEventTypes.name,
      set: { ...DELETED, withdrawnAt: null },
    });
}

/** An event of this type. */
export const deletion = (tenant: string, more: object = {}) => ({
  action: 'app.project.deleted',
  tenant,
  details: { project: 'p-1' },
  ...more,
});

/** Creates a service that reports events. */
export async function openReporter({ app, deps }: { app: Express; deps: Deps }) {
  const key = await makeServiceKey(deps, ['events:write']);
  return {
    key,
    report: (events: readonly object[], idempotencyKey: string = randomUUID(), on: Express = app) =>
      withKey(on, key).post('/api/audit/events', { events }).set('idempotency-key', idempotencyKey),
  };
}
