import { asc, eq, sql } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { declaredEventTypes } from '../db/schema';
import type { DetailSchema } from './detailSchema';
import type { EventType } from './eventTypeInput';

/** A type as the table has it. */
export interface StoredEventType extends EventType {
  readonly declaredAt: Date;
  readonly changedAt: Date | null;
  /** Since when no event of it is accepted; null while it is. */
  readonly withdrawnAt: Date | null;
}

const { name, sentence, declaredAt, changedAt, withdrawnAt } = declaredEventTypes;
const details = sql<DetailSchema>`${declaredEventTypes.details}`;

/** Lists every type that was ever declared, in the order of the names. */
export const listEventTypes = (db: Db | Tx): Promise<StoredEventType[]> =>
  db
    .select({ name, sentence, details, declaredAt, changedAt, withdrawnAt })
    .from(declaredEventTypes)
    .orderBy(asc(sql`${name} COLLATE "C"`));

/** Waits for another declaration to end. */
export async function lockEventTypes(tx: Tx): Promise<void> {
  await tx.execute(sql`SELECT pg_advisory_xact_lock(hashtextextended('declared_event_types', 0))`);
}

/** Declares a type, or declares it again after it was withdrawn or with another schema. */
export async function upsertEventType(tx: Tx, type: EventType): Promise<void> {
  const values = { ...type, details: { ...type.details } };
  const set = { ...values, withdrawnAt: null, changedAt: sql`clock_timestamp()` };
  await tx.insert(declaredEventTypes).values(values).onConflictDoUpdate({ target: name, set });
}

/** Withdraws a type: no event of it is accepted any more. */
export async function withdrawEventType(tx: Tx, withdrawn: string): Promise<void> {
  await tx
    .update(declaredEventTypes)
    .set({ withdrawnAt: sql`clock_timestamp()` })
    .where(eq(name, withdrawn));
}
