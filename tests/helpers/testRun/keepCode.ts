import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import vm from 'node:vm';

// A program in another process loads this before its own code (codeFiles.ts). Each program is one
// file of megabytes, and compiling it takes a quarter of a start. The first process of a test run
// that ends by itself keeps V8's code for the next ones.

type Compile = (this: NodeJS.Module, source: string, filename: string, ...more: unknown[]) => void;
type Wrapped = (
  exports: unknown,
  require: NodeJS.Require,
  module: NodeJS.Module,
  filename: string,
  folder: string,
) => void;

/** In characters; smaller files compile quickly. */
const WORTH_KEEPING = 1_000_000;
/** V8's kept code forgets how to import a module, so such an import would fail. */
const IMPORTS_LATER = /(?:await|return|[=>(])\s*import\(/;
const FOLDER = join(__dirname, 'code');

const prototype = Module.prototype as unknown as { _compile: Compile };
const compile = prototype._compile;

function readKept(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}

function keep(file: string, script: vm.Script): void {
  if (existsSync(file)) return;
  try {
    mkdirSync(FOLDER, { recursive: true });
    // The file is renamed into place, because another process may read it at any moment.
    const aside = `${file}.${process.pid}`;
    writeFileSync(aside, script.createCachedData());
    renameSync(aside, file);
  } catch {
    // Another account, which may not write here.
  }
}

prototype._compile = function (source, filename, ...more) {
  if (source.length < WORTH_KEEPING || IMPORTS_LATER.test(source)) {
    return compile.call(this, source, filename, ...more);
  }
  // V8 itself compares no more than the length of the source.
  const hash = createHash('sha1').update(process.version).update(source);
  const file = join(FOLDER, hash.digest('hex'));
  const cachedData = readKept(file);
  const script = new vm.Script(Module.wrap(source.replace(/^#!/, '//')), { filename, cachedData });
  if (cachedData === undefined) process.on('exit', () => keep(file, script));
  const run = script.runInThisContext() as Wrapped;
  run.call(this.exports, this.exports, createRequire(filename), this, filename, dirname(filename));
};
