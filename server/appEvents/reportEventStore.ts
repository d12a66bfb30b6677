import { sql } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import type { DetailSchema } from './detailSchema';

/** A batch, as it is recognised when it is sent again. */
export interface Batch {
  readonly serviceKeyId: string;
  /** Hashes of the `Idempotency-Key` and of the events. */
  readonly keyHash: Buffer;
  readonly digest: Buffer;
  readonly firstEventId: string;
  readonly events: number;
}

/**
 * Claims a key for a batch, and waits for a batch with the same key that is being written.
 * @returns the batch that has the key: this one, or an earlier one
 */
export async function claimBatch(
  tx: Tx,
  batch: Batch,
): Promise<Omit<Batch, 'keyHash' | 'serviceKeyId'>> {
  const claimed =
    await tx.execute(sql`INSERT INTO event_batches (service_key_id, key_hash, digest, first_event_id, events)
    VALUES (${batch.serviceKeyId}, ${batch.keyHash}, ${batch.digest}, ${batch.firstEventId}, ${batch.events})
    ON CONFLICT DO NOTHING`);
  if (claimed.rowCount === 1) return batch;
  const { rows } = await tx.execute<{ digest: Buffer; firstEventId: string; events: number }>(
    sql`SELECT digest, first_event_id AS "firstEventId", events FROM event_batches
      WHERE service_key_id = ${batch.serviceKeyId} AND key_hash = ${batch.keyHash}`,
  );
  const [earlier] = rows;
  // It was purged between the two statements, a day after it was written.
  return earlier ?? claimBatch(tx, batch);
}

/** The schema of a declared type, with its text, by which a compiled one is found again. */
export interface TypeSchema {
  readonly name: string;
  readonly text: string;
}

/** Finds those of some types that are declared and were not withdrawn. */
export async function findTypeSchemas(tx: Tx, names: readonly string[]): Promise<TypeSchema[]> {
  const { rows } = await tx.execute<{ name: string; text: string }>(
    sql`SELECT name, details::text AS text FROM declared_event_types
      WHERE name IN (SELECT json_array_elements_text(${JSON.stringify(names)}::json)) AND withdrawn_at IS NULL`,
  );
  return rows;
}

/** Reads the schema of a type from its text. */
export const parseSchema = ({ text }: TypeSchema) => JSON.parse(text) as DetailSchema;

const PURGED_AT_ONCE = 1000;

/**
 * Deletes batches that are older than a day, at most 1,000 of them.
 * @returns how many it deleted
 */
export async function purgeEventBatches(db: Db): Promise<number> {
  const { rowCount } = await db.execute(sql`DELETE FROM event_batches WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM event_batches WHERE created_at < now() - interval '24 hours'
    ORDER BY created_at LIMIT ${PURGED_AT_ONCE} FOR UPDATE SKIP LOCKED))`);
  return rowCount ?? 0;
}
