import { sql } from 'drizzle-orm';
import { CHANNEL } from './broadcast';
import { packMessages } from './packMessages';
import type { Db } from './index';

/**
 * Tells the serving nodes what to forget, for a process that does not listen itself. It waits until
 * Postgres has the messages. A node that misses them forgets by itself after a few seconds.
 */
export async function notifyNodes(
  deps: { db: Db; random: { id(): string } },
  messages: readonly string[],
): Promise<void> {
  for (const pack of packMessages(deps.random.id(), messages)) {
    await deps.db.execute(sql`SELECT pg_notify(${CHANNEL}, ${pack})`);
  }
}
