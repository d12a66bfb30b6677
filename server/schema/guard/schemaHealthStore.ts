import { sql } from 'drizzle-orm';
import type { Tx } from '../../db';
import { schemaHealth } from '../../db/schema';
import { sameView } from './schemaView';
import type { SchemaView } from './schemaView';

/**
 * Stores the health of the schema that all nodes recorded last.
 * @returns the state that was recorded before, or undefined if it is the same
 */
export async function replaceSchemaHealth(
  tx: Tx,
  now: SchemaView,
): Promise<SchemaView | undefined> {
  await tx.insert(schemaHealth).values({}).onConflictDoNothing();
  const { missing, findings } = schemaHealth;
  const [before] = await tx.select({ missing, findings }).from(schemaHealth).for('update');
  if (!before || sameView(before, now)) return undefined;
  await tx.update(schemaHealth).set({
    missing: [...now.missing],
    findings: [...now.findings],
    changedAt: sql`now()`,
  });
  return before;
}
