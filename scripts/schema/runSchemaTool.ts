import { writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { findDatabaseUrlProblem, spellOutTlsMode } from '../../server/config/databaseSettings';
import { addEnvironmentFile } from '../../server/config/environmentFile';
import { check } from './check';
import type { Finding, Findings } from './finding';
import { generate } from './generate';
import { openGit } from './git';
import { formatReport } from './schemaReport';

const USAGE = `Usage: npm run schema -- COMMAND
  check [--staged | --worktree] [--strict] [--base REF] [--database [URL]] [--known-roles A,B] [--report FILE] [--json]
  generate --name WHAT_CHANGES [--custom]
  record [--base REF]
  rehearse [--from REF]`;

const OPTIONS = {
  root: { type: 'string' },
  staged: { type: 'boolean' },
  worktree: { type: 'boolean' },
  strict: { type: 'boolean' },
  base: { type: 'string' },
  database: { type: 'boolean' },
  'known-roles': { type: 'string' },
  report: { type: 'string' },
  json: { type: 'boolean' },
  name: { type: 'string' },
  custom: { type: 'boolean' },
  from: { type: 'string' },
} as const;

/** Receives the output of the tool, one line or more at a time. */
export interface ToolOutput {
  say(text: string): void;
  complain(text: string): void;
}

function show({ complain }: ToolOutput, findings: readonly Finding[]): void {
  for (const { code, message, fix } of findings) complain(`${code}: ${message}\n    → ${fix}`);
}

type Values = ReturnType<typeof parse>['values'];
const parse = (args: string[]) => parseArgs({ args, options: OPTIONS, allowPositionals: true });

function databaseUrlOf(values: Values, positionals: readonly string[]): string | undefined {
  if (values.database !== true) return undefined;
  addEnvironmentFile(process.env, resolve('.env'));
  const url = positionals[1] ?? process.env['DATABASE_URL'];
  if (url === undefined || url === '')
    throw new Error('--database needs a URL, or the setting DATABASE_URL.');
  const problem = findDatabaseUrlProblem(url);
  if (problem !== undefined) throw new Error(problem);
  return spellOutTlsMode(url);
}

async function runCheck(
  output: ToolOutput,
  root: string,
  values: Values,
  positionals: readonly string[],
): Promise<number> {
  const { say, complain } = output;
  const databaseUrl = databaseUrlOf(values, positionals);
  const known = values['known-roles'] ?? process.env['SCHEMA_KNOWN_ROLES'] ?? '';
  const result: Findings = await check({
    root,
    mode: values.staged ? 'staged' : values.worktree ? 'worktree' : 'committed',
    strict: values.strict === true,
    base: values.base,
    databaseUrl,
    knownRoles: known
      .split(',')
      .map((role) => role.trim())
      .filter(Boolean),
  });
  if (values.report !== undefined) {
    const commit = openGit(root)?.ask(['rev-parse', '--short=12', 'HEAD'])?.trim();
    const about = { at: new Date(), commit, databaseUrl };
    writeFileSync(values.report, formatReport(root, result, about));
  }
  const ok = result.findings.length === 0;
  if (values.json) say(JSON.stringify({ ok, ...result }));
  else {
    show(output, result.findings);
    for (const what of result.notLooked) complain(`Not checked: ${what}.`);
    const live = databaseUrl === undefined ? '' : ' and the live database';
    if (ok) say(`Schema, migrations${result.notLooked.length === 0 ? ', git' : ''}${live} agree.`);
  }
  return ok ? 0 : 1;
}

async function runRecord(output: ToolOutput, root: string, values: Values): Promise<number> {
  const { record } = await import('./record.js');
  const findings = await record(root, values.base);
  show(output, findings);
  if (findings.length === 0)
    output.say(
      'Recorded: migrations/pins.json and migrations/catalogue.json. Review them, then git add migrations.',
    );
  return findings.length === 0 ? 0 : 1;
}

async function runGenerate(output: ToolOutput, root: string, values: Values): Promise<number> {
  const inCi = !['', 'false', undefined].includes(process.env['CI']);
  const tag = generate(root, values.name, { custom: values.custom === true, inCi });
  output.say(
    `Written: migrations/${tag}.sql. Review it. After each edit, run: npm run schema -- record`,
  );
  return runRecord(output, root, values);
}

async function runRehearse(output: ToolOutput, root: string, values: Values): Promise<number> {
  const { rehearse } = await import('./rehearse.js');
  await rehearse(root, values.from, output.say);
  return 0;
}

async function runCommand(args: string[], output: ToolOutput): Promise<number> {
  const { values, positionals } = parse(args);
  const root = resolve(values.root ?? dirname(dirname(__dirname)));
  if (positionals[0] === 'check') return runCheck(output, root, values, positionals);
  if (positionals[0] === 'record') return runRecord(output, root, values);
  if (positionals[0] === 'generate') return runGenerate(output, root, values);
  if (positionals[0] === 'rehearse') return runRehearse(output, root, values);
  throw new Error(USAGE);
}

/**
 * Runs `npm run schema -- ARGS`.
 * @returns the exit code: 1 if something was found or failed; `output` has received the reasons
 *   then
 */
export async function runSchemaTool(args: string[], output: ToolOutput): Promise<number> {
  try {
    return await runCommand(args, output);
  } catch (error) {
    output.complain(error instanceof Error ? error.message : String(error));
    return 1;
  }
}
