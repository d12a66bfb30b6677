// Prints the layout of a checkout in numbers, for the table in docs/architecture.md. Without an argument it measures the
// current folder: node scripts/measureLayout.mjs [path of another checkout]
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import ts from 'typescript';

const root = resolve(process.argv[2] ?? '.');
const TOP = ['server', 'tlog', 'verifier', 'client', 'guard'];

const files = TOP.filter((top) => existsSync(join(root, top))).flatMap((top) =>
  readdirSync(join(root, top), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map(({ parentPath, name }) => relative(root, join(parentPath, name))),
);
const known = new Set(files);
const texts = new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]));

/** Finds the file that an import means; undefined for a package. */
function resolveImport(from, name) {
  const path = name.startsWith('@/') ? name.slice(2) : join(dirname(from), name);
  if (!name.startsWith('.') && !name.startsWith('@/')) return undefined;
  const bare = path.replace(/\.js$/, '');
  return [`${bare}.ts`, join(bare, 'index.ts'), path].find((candidate) => known.has(candidate));
}

/** Maps each file to the files that it imports or exports from, types included. */
const imports = new Map(
  files.map((file) => {
    const { importedFiles } = ts.preProcessFile(texts.get(file), true, true);
    const found = importedFiles.map(({ fileName }) => resolveImport(file, fileName));
    return [file, new Set(found.filter((target) => target !== undefined && target !== file))];
  }),
);

/** Each file directly in server/ is a part of its own, because some are imported by all folders, and others by none. */
const partOf = (file) => (dirname(file) === 'server' ? file : dirname(file));
const parts = new Map(files.map((file) => [partOf(file), new Set()]));
for (const [file, targets] of imports) {
  for (const target of targets) {
    if (partOf(target) !== partOf(file)) parts.get(partOf(file)).add(partOf(target));
  }
}

/** Returns the strongly connected components, each after those that it imports (Tarjan). */
function findComponents(graph) {
  const seen = new Map();
  const open = [];
  const components = [];
  const visit = (node) => {
    const entry = { index: seen.size, low: seen.size, isOpen: true };
    seen.set(node, entry);
    open.push(node);
    for (const next of graph.get(node)) {
      if (!seen.has(next)) visit(next);
      const other = seen.get(next);
      if (other.isOpen) entry.low = Math.min(entry.low, other.low);
    }
    if (entry.low !== entry.index) return;
    const component = open.splice(open.indexOf(node));
    for (const member of component) seen.get(member).isOpen = false;
    components.push(component);
  };
  for (const node of graph.keys()) if (!seen.has(node)) visit(node);
  return components;
}

/** Counts the components on the longest path of imports. */
function countLevels(graph, components) {
  const levelOf = new Map();
  for (const component of components) {
    const below = component.flatMap((node) =>
      [...graph.get(node)].filter((next) => !component.includes(next)),
    );
    const level = 1 + Math.max(0, ...below.map((next) => levelOf.get(next)));
    for (const node of component) levelOf.set(node, level);
  }
  return Math.max(...levelOf.values());
}

const partComponents = findComponents(parts);
const circles = partComponents.filter(({ length }) => length > 1);
const largest = Math.max(...findComponents(imports).map(({ length }) => length));
const lines = [...texts.values()].reduce((sum, text) => sum + text.split('\n').length - 1, 0);

const figures = [
  ['folders with TypeScript', new Set(files.map(dirname)).size],
  ['levels of imports', countLevels(parts, partComponents)],
  ['circles of parts', circles.length],
  ['parts in circles', circles.flat().length],
  ['files in the largest circle of imports', largest > 1 ? largest : 0],
  ['files directly in server/', files.filter((file) => dirname(file) === 'server').length],
  ['files', files.length],
  ['lines', lines],
];
for (const [name, figure] of figures) process.stdout.write(`${name}: ${figure}\n`);
if (process.argv.includes('--list')) {
  for (const circle of circles) process.stdout.write(`circle: ${circle.sort().join(' ')}\n`);
}
