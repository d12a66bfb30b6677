import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { SCHEMA_CACHE } from './scratchRepository';
import { REPOSITORY } from '../server/serverProcess';

interface Step {
  name?: string;
  uses?: string;
  run?: string;
  if?: string;
  env?: Record<string, string>;
  with?: Record<string, unknown>;
  'continue-on-error'?: boolean;
}

interface Job {
  needs?: string | string[];
  uses?: string;
  with?: Record<string, string>;
  secrets?: string;
  environment?: string;
  'continue-on-error'?: boolean;
  strategy?: { matrix: Record<string, string[]> };
  steps?: Step[];
}

export interface Workflow {
  name: string;
  on: Record<string, unknown>;
  permissions?: Record<string, string>;
  jobs: Record<string, Job>;
}

const FOLDER = join(REPOSITORY, '.github', 'workflows');

export const workflowNames = (): string[] => readdirSync(FOLDER).sort();

export const readWorkflow = (file: string): Workflow =>
  parse(readFileSync(join(FOLDER, file), 'utf8')) as Workflow;

export function stepsOf(file: string, job: string): Step[] {
  const steps = readWorkflow(file).jobs[job]?.steps;
  if (!steps) throw new Error(`${file} has no steps in a job ${job}`);
  return steps;
}

/** Returns the name of a step for a test: its own name, or else its command. */
export const title = (step: Step): string => step.name ?? step.uses ?? step.run ?? '';

export interface JobRun {
  /** The steps that ran and succeeded, in order. */
  done: string[];
  /** The step that failed, and its output. */
  failed?: { step: string; output: string };
}

/**
 * Replaces `${{ … }}` by the test's value for each expression. An expression without a value is an
 * error.
 */
function evaluate(text: string, values: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$\{\{\s*(.+?)\s*\}\}/g, (_whole, expression: string) => {
    const value = values[expression];
    if (value === undefined) throw new Error(`no value for \${{ ${expression} }}`);
    return value;
  });
}

interface ShellResult {
  code: number;
  output: string;
}

function shell(script: string, cwd: string, env: NodeJS.ProcessEnv): Promise<ShellResult> {
  return new Promise((resolve) => {
    const child = execFile(
      'bash',
      ['--noprofile', '--norc', '-eo', 'pipefail', '-c', script],
      { cwd, env, maxBuffer: 16 * 1024 * 1024 },
      (error, stdout, stderr) => {
        const code = error ? (typeof error.code === 'number' ? error.code : 1) : 0;
        resolve({ code, output: `${stdout}${stderr}` });
      },
    );
    child.stdin?.end();
  });
}

/** Reads the variables that earlier steps wrote to the file in `GITHUB_ENV`. */
const readEnvFile = (file: string): Record<string, string> =>
  Object.fromEntries(
    readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line.includes('='))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );

/**
 * Runs the commands of a job as its host would: in order, with bash -eo pipefail, until one fails.
 * A step with `if: always()` runs all the same. Actions (`uses`) and `npm ci` are skipped and count
 * as done.
 * @param cwd a checkout that has its node_modules
 */
export async function runJob(
  steps: readonly Step[],
  cwd: string,
  values: Readonly<Record<string, string>>,
  env: NodeJS.ProcessEnv = {},
): Promise<JobRun> {
  const scratch = mkdtempSync(join(tmpdir(), 'gatehouse-job-'));
  const [envFile, summary] = [join(scratch, 'env'), join(scratch, 'summary')];
  writeFileSync(envFile, '');
  writeFileSync(summary, '');
  const run: JobRun = { done: [] };
  for (const step of steps) {
    if (step.uses !== undefined || step.run === 'npm ci') continue;
    if (run.failed && step.if !== 'always()') continue;
    const own = Object.entries(step.env ?? {}).map(([name, text]) => [
      name,
      evaluate(text, values),
    ]);
    const result = await shell(evaluate(step.run ?? '', values), cwd, {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      CI: 'true',
      ...SCHEMA_CACHE,
      GITHUB_ENV: envFile,
      GITHUB_STEP_SUMMARY: summary,
      ...env,
      ...readEnvFile(envFile),
      ...Object.fromEntries(own),
    });
    if (result.code === 0) run.done.push(title(step));
    else run.failed ??= { step: title(step), output: result.output };
  }
  return run;
}
