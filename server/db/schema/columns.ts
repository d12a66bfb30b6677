import { sql } from 'drizzle-orm';
import { customType, timestamp, uuid } from 'drizzle-orm/pg-core';

/** Milliseconds, like the clock of the code that writes it: what is written is what is read back. */
export const instant = (name: string) =>
  timestamp(name, { withTimezone: true, precision: 3, mode: 'date' });

export const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' });

/** Keys are UUIDv7 (RFC 9562 5.7): they sort by time of creation. The default serves rows made by hand. */
export const key = () =>
  uuid('id')
    .primaryKey()
    .default(sql`gatehouse_uuid_v7()`);

/** A transaction's number, 64 bits wide: never used twice in the life of a cluster. */
export const transactionId = customType<{ data: string }>({ dataType: () => 'xid8' });

/** Which transactions are visible: `xmin:xmax:those still running`. */
export const snapshot = customType<{ data: string }>({ dataType: () => 'pg_snapshot' });
