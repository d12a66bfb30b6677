import type { Express } from 'express';
import type { AuditAction } from '@/server/audit';
import { db } from '@/server/db';
import { auditLogs } from '@/server/db/schema';
import { as } from '../people/officer';

export const LOGS = '/api/compliance/audit-logs';

export interface ReadEvent {
  id: string;
  occurredAt: string;
  leafIndex: number | null;
  [field: string]: unknown;
}

type NewEvent = Partial<typeof auditLogs.$inferInsert> & { action?: AuditAction };

/**
 * Writes events in the given order, each with the given fields.
 * @returns their ids in that order
 */
export async function writeEvents(tenantId: string, events: readonly NewEvent[]) {
  const rows = events.map((event) => ({
    tenantId,
    action: 'AUTH_LOGOUT',
    outcome: 'success' as const,
    actor: 'system',
    correlationId: 'made-up',
    ...event,
  }));
  const written = await db.insert(auditLogs).values(rows).returning({ id: auditLogs.id });
  return written.map(({ id }) => id);
}

export interface ReadPage {
  events: ReadEvent[];
  nextCursor: string | null;
}

/** @param query the query without its question mark */
export async function readPage(
  app: Express,
  who: { token: string },
  query = '',
): Promise<ReadPage> {
  const res = await as(app, who).get(`${LOGS}?${query}`);
  if (res.status !== 200) throw new Error(`${query} was answered with ${res.status}: ${res.text}`);
  return res.body as ReadPage;
}

/** Reads every page, one after another. */
export async function readAll(
  app: Express,
  who: { token: string },
  query = '',
): Promise<ReadEvent[]> {
  const events: ReadEvent[] = [];
  let cursor: string | null = null;
  do {
    const from: string = cursor === null ? '' : `&cursor=${cursor}`;
    const page = await readPage(app, who, `${query}${from}`);
    events.push(...page.events);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return events;
}
