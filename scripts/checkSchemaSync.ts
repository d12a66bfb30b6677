// Says whether the Drizzle schema has changes without a migration, without a database and without writing
// anything: the incident that this product was born from, as a check.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateDrizzleJson, generateMigration } from 'drizzle-kit/api';
import * as schema from '../server/db/schema';

interface Journal {
  entries: { idx: number; tag: string; when: number }[];
}

type Snapshot = ReturnType<typeof generateDrizzleJson>;

const folder = join(__dirname, '..', 'migrations');
const readJson = <T>(name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as T;

async function findProblems(): Promise<string[]> {
  const { entries } = readJson<Journal>('meta/_journal.json');
  const last = entries.at(-1);
  if (!last) return ['There is no migration at all.'];
  const outOfOrder = entries.filter(
    (entry, index) => entry.idx !== index || entry.when <= (entries[index - 1]?.when ?? 0),
  );
  if (outOfOrder.length > 0) {
    return [`The journal is out of order at ${outOfOrder.map(({ tag }) => tag).join(', ')}.`];
  }
  const number = String(last.idx).padStart(4, '0');
  const before = readJson<Snapshot>(`meta/${number}_snapshot.json`);
  const statements = await generateMigration(before, generateDrizzleJson(schema, before.id));
  return statements.map((statement) => `The schema has a change without a migration: ${statement}`);
}

findProblems().then(
  (problems) => {
    for (const problem of problems) console.error(problem);
    if (problems.length > 0) {
      console.error('Run: npm run db:generate -- --name what_changes');
      process.exit(1);
    }
  },
  (error: unknown) => {
    console.error('The schema could not be compared with the migrations:', error);
    process.exit(1);
  },
);
