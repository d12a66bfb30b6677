// Compiles server/, client/ and verifier/ to dist/ when a source is newer than the last build. It builds aside and swaps, so that a
// half-written tree is never run, and says nothing when there is nothing to say.
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const entry = join(dist, 'server', 'index.js');
const require = createRequire(import.meta.url);

function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  const inside = readdirSync(path).map((name) => newest(join(path, name)));
  return Math.max(stat.mtimeMs, ...inside);
}

function resolveBin(name, bin) {
  try {
    return join(dirname(require.resolve(`${name}/package.json`)), bin);
  } catch {
    return undefined;
  }
}

function run(script, args) {
  const result = spawnSync(process.execPath, [script, ...args], { cwd: root, encoding: 'utf8' });
  if (result.status === 0) return;
  process.stderr.write(`${result.stdout}${result.stderr}`);
  throw new Error('not built');
}

/** One file of ES module for browsers, and one of types that needs no other. */
async function buildClient(into) {
  const { build } = await import('esbuild');
  mkdirSync(into, { recursive: true });
  await build({
    entryPoints: [join(root, 'client', 'index.ts')],
    outfile: join(into, 'gatehouse.js'),
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    logLevel: 'error',
  });
  const types = mkdtempSync(join(into, '.types-'));
  run(tsc, ['-p', 'client/tsconfig.build.json', '--outDir', types]);
  const read = (name) => readFileSync(join(types, 'client', name), 'utf8');
  const own = read('index.d.ts').replace(/^(import|export \*) .*\n/gm, '');
  writeFileSync(join(into, 'gatehouse.d.ts'), read('contract.d.ts') + own);
  rmSync(types, { recursive: true });
}

/** One file that an auditor copies: it needs Node.js and nothing else, and can be read. */
async function buildVerifier(into) {
  const { build } = await import('esbuild');
  mkdirSync(into, { recursive: true });
  await build({
    entryPoints: [join(root, 'verifier', 'cli.ts')],
    outfile: join(into, 'verify.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    charset: 'utf8',
    logLevel: 'error',
  });
}

const sources = [
  'server',
  'client',
  'verifier',
  'scripts/build.mjs',
  'tsconfig.json',
  'tsconfig.build.json',
  'package.json',
];
const sourceTime = Math.max(...sources.map((name) => newest(join(root, name))));
const tsc = resolveBin('typescript', 'bin/tsc');
const tscAlias = resolveBin('tsc-alias', 'dist/bin/index.js');

if (existsSync(entry) && statSync(entry).mtimeMs >= sourceTime) process.exit(0);
if (!tsc || !tscAlias) {
  // A production install carries no compiler: what was built before it is what runs.
  if (existsSync(entry)) process.exit(0);
  process.stderr.write('dist/ is missing and the compiler is not installed: run npm ci first.\n');
  process.exit(1);
}
const aside = mkdtempSync(join(root, '.dist-'));
try {
  run(tsc, ['-p', 'tsconfig.build.json', '--outDir', aside]);
  run(tscAlias, ['-p', 'tsconfig.build.json', '--outDir', aside]);
  await buildClient(join(aside, 'client'));
  await buildVerifier(join(aside, 'verifier'));
  const old = `${aside}-old`;
  if (existsSync(dist)) renameSync(dist, old);
  renameSync(aside, dist);
  rmSync(old, { recursive: true, force: true });
} catch (error) {
  if (error.message !== 'not built') process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
} finally {
  rmSync(aside, { recursive: true, force: true });
}
