import { readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';

const root = join(__dirname, '..');

/** The variables of modules that may change, and why no later test file can see that. */
const HARMLESS = [
  // Read from a constant.
  'server/auth/passwords/commonPasswords.ts loaded',
  // Each test file closes it.
  'server/db/index.ts shared',
  // By the URL of a database, and each test file has its own.
  'server/db/databaseRoute.ts routes',
  // Made from constants.
  'server/http/errorSchemas.ts schemas',
  'server/http/errorSchemas.ts unions',
  // By the text from which each is compiled.
  'server/appEvents/reportEvents.ts compiled',
];

/**
 * A variable that may be assigned, or a collection that is empty at first. The keys of a `WeakMap`
 * are objects of one test file.
 */
const CHANGES =
  /^(?:export )?(?:(?:let|var) (\w+)|const (\w+)(?:: [^=]+)? = (?:new (?:Map|Set|Array)\b[^(]*\(\)|\[\]|\{\});)/gm;

const files = ['server', 'tlog'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter(({ name }) => name.endsWith('.ts'))
    .map(({ parentPath, name }) => join(parentPath, name)),
);

it('modules of the product, which test files share, keep nothing that a later file could see', () => {
  const found = files.flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(CHANGES)].map(
      ([, variable, collection]) => `${relative(root, file)} ${variable ?? collection ?? ''}`,
    ),
  );
  expect(files.length).toBeGreaterThan(500);
  expect(found.sort()).toEqual([...HARMLESS].sort());
});
