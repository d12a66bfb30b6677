import { sql } from 'drizzle-orm';
import { customType, timestamp, uuid } from 'drizzle-orm/pg-core';

/**
 * A time with milliseconds, like the clock of the code, so that a value is read back exactly as it
 * was written.
 */
export const instant = (name: string) =>
  timestamp(name, { withTimezone: true, precision: 3, mode: 'date' });

export const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' });

/**
 * Keys are UUIDv7 (RFC 9562 5.7), which sort by time of creation. The default is for rows that are
 * inserted by hand.
 */
export const key = () =>
  uuid('id')
    .primaryKey()
    .default(sql`gatehouse_uuid_v7()`);

/** A transaction id with 64 bits, which is never reused in the life of a cluster. */
export const transactionId = customType<{ data: string }>({ dataType: () => 'xid8' });

/** The transactions that are visible: `xmin:xmax:those still running`. */
export const snapshot = customType<{ data: string }>({ dataType: () => 'pg_snapshot' });
