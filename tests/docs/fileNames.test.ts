import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';

const root = join(__dirname, '..', '..');
const FOLDERS = ['server', 'tlog', 'client', 'guard', 'verifier', 'scripts', 'bench', 'tests'];
/** Names that say which part of its folder a file is. */
const OF_EACH_FOLDER = ['index.ts', 'routes.ts', 'deps.ts'];
/** Files that teams import by these paths. Each only exports what another file defines. */
const FOR_TEAMS = ['server/bootstrap/schemaHealth.ts', 'server/middleware/requireStepUp.ts'];

const files = FOLDERS.flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(root.length + 1)),
).filter((path) => !FOR_TEAMS.includes(path) && !OF_EACH_FOLDER.includes(basename(path)));

it('a file name occurs once in the tree, so that it is enough to find the file', () => {
  const byName = new Map<string, string[]>();
  for (const path of files) {
    byName.set(basename(path), [...(byName.get(basename(path)) ?? []), path]);
  }
  const doubles = [...byName.values()].filter((paths) => paths.length > 1);
  expect(doubles.map((paths) => paths.join(' and '))).toEqual([]);
});

it('the test files that are begun first exist', () => {
  const order = readFileSync(join(root, 'tests/helpers/testRun/longestFirst.mjs'), 'utf8');
  const [, list = ''] = /const LONGEST = \[([^\]]+)\]/.exec(order) ?? [];
  const named = [...list.matchAll(/'(.+)'/g)].map(([, name]) => `tests/${name}.test.ts`);
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});
