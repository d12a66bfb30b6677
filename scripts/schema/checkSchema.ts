import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GENERATE, migrationsOf, numberOf, schemaOf } from './folder';
import type { MigrationsFolder } from './folder';
import type { Finding } from './finding';
import { contentsOf, remember } from './remember';

interface Answer {
  tables?: number;
  unexported?: string[];
  statements?: string[];
  error?: string;
}

/**
 * Compares schema and snapshot in another process. Its stdin and stdout are no terminal, so
 * drizzle-kit fails instead of asking a question.
 */
function compare(schema: string, snapshot: string): Promise<Answer> {
  const script = join(__dirname, 'printSchemaDiff.ts');
  const child = spawn(
    process.execPath,
    ['--require', require.resolve('tsx/cjs'), script, schema, snapshot],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  return new Promise((resolve) => {
    child.once('close', () => {
      try {
        resolve(JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Answer);
      } catch {
        resolve({ error: stderr.trim().split('\n').slice(0, 8).join(' ') });
      }
    });
  });
}

const broken = (message: string): Finding => ({
  code: 'SCHEMA_BROKEN',
  object: 'server/db/schema',
  message,
  fix: 'run npm run check:types to find the fault, and export every table file from server/db/schema/index.ts',
});

const changed = (message: string, fix: string = GENERATE): Finding => ({
  code: 'SCHEMA_CHANGED',
  object: 'server/db/schema',
  message,
  fix,
});

/**
 * Checks that the schema contains nothing that no migration creates. It uses no database and writes
 * nothing.
 */
export async function checkSchema(root: string, folder: MigrationsFolder): Promise<Finding[]> {
  const last = folder.entries.at(-1);
  if (!last) return [changed('There is no migration.')];
  const snapshot = join(migrationsOf(root), 'meta', `${numberOf(last)}_snapshot.json`);
  // The check of the files reports the missing file.
  if (!folder.snapshots.has(numberOf(last))) return [];
  const {
    error,
    tables = 0,
    unexported = [],
    statements = [],
  } = await remember(
    [...contentsOf(schemaOf(root)), readFileSync(snapshot)],
    () => compare(schemaOf(root), snapshot),
    // The text of an error names its folder, so it must not be reused for another.
    (answer) => answer.error === undefined,
  );
  if (error?.includes('Interactive prompts require a TTY')) {
    const message =
      'The schema has a change without a migration, and it is ambiguous: either a table or column was renamed, or one was dropped and another added.';
    return [
      changed(message, `${GENERATE} (in a terminal, because it asks which of the two it is)`),
    ];
  }
  if (error !== undefined) return [broken(`The schema cannot be loaded: ${error}`)];
  if (tables === 0) return [broken('The schema contains no table.')];
  return [
    ...unexported.map((name) => broken(`server/db/schema/index.ts does not export ${name}.`)),
    ...statements.map((statement) =>
      changed(
        `The schema has a change without a migration: ${statement.replaceAll(/\s+/g, ' ').trim()}`,
      ),
    ),
  ];
}
