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
