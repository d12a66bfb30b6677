import { existsSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import vm from 'node:vm';

interface Module {
  exports: unknown;
}
type Wrapped = (
  module: Module,
  exports: unknown,
  require: unknown,
  folder: string,
  filename: string,
) => void;

/** Jest's translations of the modules that one test file loads. */
interface Compiled {
  transform(file: string): string;
  getSourceMaps(): Map<string, string>;
}

export interface ProductOptions {
  root: string;
  testPath: string;
  compiled: Compiled;
  /** Whether the run counts the lines that it covers, for each test file by itself. */
  covered: boolean;
}

const FOLDERS = ['server', 'tlog'];
/** Modules that do something when they are loaded. Each test file loads them again. */
const ACTING = ['app.ts', 'index.ts', 'cli/admin.ts', 'cli/verifyLog.ts'];
/** A test that replaces modules needs modules of its own, which import what it replaced. */
const REPLACES = /\bjest\s*\.\s*(?:\w*[mM]ock|resetModules|isolateModules\w*)[(<]/;
const ENDINGS = ['.ts', '/index.ts', ''];

const modules = new Map<string, Module>();
const files = new Map<string, string | undefined>();
const sourceMaps = new Map<string, string>();
let run: string | undefined;

/** With `--watch`, the same process runs changed modules. */
function forgetEarlierRuns(): void {
  const folder = process.env['GATEHOUSE_TEST_DIR'];
  if (run === folder) return;
  run = folder;
  for (const known of [modules, files, sourceMaps]) known.clear();
}

const isFile = (path: string): boolean => existsSync(path) && statSync(path).isFile();

/** Returns the file of a module of the product, unless each test file must load it again. */
function findFile(root: string, from: string, name: string): string | undefined {
  const path = name.startsWith('@/') ? join(root, name.slice(2)) : resolve(dirname(from), name);
  if (!FOLDERS.some((folder) => path.startsWith(join(root, folder, '/')))) return undefined;
  const file = ENDINGS.map((ending) => path + ending).find(isFile);
  const isActing = ACTING.some((acting) => file === join(root, 'server', acting));
  return isActing ? undefined : file;
}

/** The modules of the product, for one test file. */
class Product {
  constructor(private readonly options: ProductOptions) {}

  /** Returns a module of the product, or undefined if jest is to load it. */
  find(from: string, name: string): Module | undefined {
    if (!/^(?:\.|\/|@\/)/.test(name)) return undefined;
    const key = `${from}\0${name}`;
    let file = files.get(key);
    if (file === undefined && !files.has(key)) {
      file = findFile(this.options.root, from, name);
      files.set(key, file);
    }
    return file === undefined ? undefined : this.load(file);
  }

  private load(file: string): Module {
    const known = modules.get(file);
    if (known) return known;
    const module: Module = { exports: {} };
    // Modules may import each other in a circle.
    modules.set(file, module);
    try {
      this.execute(file, module);
    } catch (error) {
      modules.delete(file);
      throw error;
    }
    return module;
  }

  private execute(file: string, module: Module): void {
    if (file.endsWith('.json')) {
      module.exports = JSON.parse(readFileSync(file, 'utf8'));
      return;
    }
    const { compiled } = this.options;
    const head = '(function (module, exports, require, __dirname, __filename) {';
    const script = new vm.Script(`${head}${compiled.transform(file)}\n})`, {
      filename: file,
      columnOffset: -head.length,
    });
    const sourceMap = compiled.getSourceMaps().get(file);
    if (sourceMap !== undefined) sourceMaps.set(file, sourceMap);
    const requireOther = createRequire(file);
    const require = (name: string): unknown => {
      const found = this.find(file, name);
      return found ? found.exports : requireOther(name);
    };
    Object.assign(require, { resolve: requireOther.resolve });
    const wrapped = script.runInThisContext() as Wrapped;
    wrapped.call(module.exports, module, module.exports, require, dirname(file), file);
  }
}

/**
 * Lets the test files of a worker share the product's modules. Loading eight hundred modules again
 * for each file takes half a second, and V8 would never optimise them, nor zod's validators. The
 * modules keep no state that a test could see (tests/moduleState.test.ts).
 * @returns undefined if the test file needs modules of its own
 */
export function openProduct(options: ProductOptions): Product | undefined {
  forgetEarlierRuns();
  const { testPath, compiled, covered } = options;
  if (covered || REPLACES.test(readFileSync(testPath, 'utf8'))) return undefined;
  // Stack traces name lines of the sources.
  for (const [file, sourceMap] of sourceMaps) compiled.getSourceMaps().set(file, sourceMap);
  return new Product(options);
}
