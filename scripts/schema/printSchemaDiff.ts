// Prints, as JSON, the statements that lead from a snapshot to a Drizzle schema. It is a process of
// its own: if a rename is ambiguous, drizzle-kit asks a question, and in a terminal it would wait
// for the answer forever.
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { generateDrizzleJson, generateMigration } from 'drizzle-kit/api';
import { is } from 'drizzle-orm';
import { PgTable, isPgEnum } from 'drizzle-orm/pg-core';

type Exports = Record<string, unknown>;

const load = createRequire(__filename) as (path: string) => Exports;

/**
 * Finds tables and enums that a file exports and the index does not, because drizzle-kit would
 * never see them.
 */
function findUnexported(folder: string, index: Exports): string[] {
  const exported = new Set(Object.values(index));
  return readdirSync(folder)
    .filter((name) => name.endsWith('.ts') && name !== 'index.ts')
    .flatMap((name) =>
      Object.entries(load(join(folder, name)))
        .filter(([, value]) => (is(value, PgTable) || isPgEnum(value)) && !exported.has(value))
        .map(([key]) => `${name}: ${key}`),
    );
}

async function main(folder: string, snapshotFile: string): Promise<object> {
  const schema = load(join(folder, 'index.ts'));
  const tables = Object.values(schema).filter((value) => is(value, PgTable)).length;
  type Snapshot = ReturnType<typeof generateDrizzleJson>;
  const before = JSON.parse(readFileSync(snapshotFile, 'utf8')) as Snapshot;
  const after = generateDrizzleJson(schema, before.id);
  const statements = await generateMigration(before, after);
  return { tables, unexported: findUnexported(folder, schema), statements };
}

const [folder = '', snapshot = ''] = process.argv.slice(2);
main(folder, snapshot).then(
  (answer) => process.stdout.write(`\n${JSON.stringify(answer)}\n`),
  (error: unknown) => {
    process.stdout.write(`\n${JSON.stringify({ error: String(error) })}\n`);
  },
);
