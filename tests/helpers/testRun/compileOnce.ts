import v8 from 'node:v8';
import vm from 'node:vm';

interface Compiled {
  source: string;
  names: string;
  script: vm.Script;
}

const known = new Map<string, Compiled>();

/**
 * Compiles a module once, and reuses V8's code for the next test files, with every function in it
 * that ran before. Jest compiles the same five hundred modules again for every file. The module
 * runs with the globals of the worker: `parsingContext` is left out.
 */
function compileOnce(
  source: string,
  names: readonly string[] = [],
  { filename = '' }: vm.CompileFunctionOptions = {},
): ReturnType<typeof vm.compileFunction> {
  const parameters = names.join();
  let module = known.get(filename);
  if (module?.source !== source || module.names !== parameters) {
    const head = `(function (${parameters}) {`;
    const script = new vm.Script(`${head}${source}\n})`, { filename, columnOffset: -head.length });
    module = { source, names: parameters, script };
    known.set(filename, module);
  }
  return module.script.runInThisContext() as ReturnType<typeof vm.compileFunction>;
}

/** Call it in a process that runs several test files. */
export function compileInWorker(): void {
  v8.setFlagsFromString('--no-flush-bytecode');
  vm.compileFunction = compileOnce;
}
