// Checks types and lints, in one process: the rules that need types use the program that was
// checked. As two processes, each would parse every file and compute every type.
import { ESLint } from 'eslint';
import ts from 'typescript';

const PROJECTS = ['tsconfig.json', 'verifier/page/tsconfig.json'];

const fail = (text) => {
  process.stderr.write(`${text}\n`);
  process.exitCode = 1;
};

const format = (diagnostics) =>
  ts.formatDiagnostics(diagnostics, {
    getCanonicalFileName: (name) => name,
    getCurrentDirectory: () => process.cwd(),
    getNewLine: () => '\n',
  });

/** Opens a project as `tsc --noEmit` does. */
function openProject(file) {
  const onUnRecoverableConfigFileDiagnostic = (diagnostic) => {
    throw new Error(format([diagnostic]));
  };
  const { fileNames, options, errors } = ts.getParsedCommandLineOfConfigFile(
    file,
    { noEmit: true },
    { ...ts.sys, onUnRecoverableConfigFileDiagnostic },
  );
  return ts.createProgram({ rootNames: fileNames, options, configFileParsingDiagnostics: errors });
}

const programs = PROJECTS.map(openProject);
for (const program of programs) {
  const diagnostics = ts.getPreEmitDiagnostics(program);
  if (diagnostics.length > 0) fail(format(diagnostics));
}

const eslint = new ESLint({
  overrideConfig: {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { programs, projectService: false } },
  },
});
const results = await eslint.lintFiles('.');
const { format: formatResults } = await eslint.loadFormatter();
process.stdout.write(await formatResults(results));
if (results.some(({ errorCount }) => errorCount > 0)) process.exitCode = 1;
