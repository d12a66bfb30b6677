import { writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { objectionToDatabaseUrl } from '../../server/databaseSettings';
import { addEnvironmentFile } from '../../server/environmentFile';
import { check } from './check';
import type { Finding, Findings } from './finding';
import { generate } from './generate';
import { openGit } from './git';
import { formatReport } from './report';

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

const say = (text: string) => process.stdout.write(`${text}\n`);
const complain = (text: string) => process.stderr.write(`${text}\n`);

function show(findings: readonly Finding[]): void {
  for (const { code, message, fix } of findings) complain(`${code}: ${message}\n    → ${fix}`);
}

type Values = ReturnType<typeof parse>['values'];
const parse = () => parseArgs({ options: OPTIONS, allowPositionals: true });

function databaseUrlOf(values: Values, positionals: readonly string[]): string | undefined {
  if (values.database !== true) return undefined;
  addEnvironmentFile(process.env, resolve('.env'));
  const url = positionals[1] ?? process.env['DATABASE_URL'];
  if (url === undefined || url === '') throw new Error('--database needs a URL, or DATABASE_URL.');
  const objection = objectionToDatabaseUrl(url);
  if (objection !== undefined) throw new Error(objection);
  return url;
}

async function runCheck(
  root: string,
  values: Values,
  positionals: readonly string[],
): Promise<number> {
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
    show(result.findings);
    for (const what of result.notLooked) complain(`Not looked at: ${what}.`);
    const live = databaseUrl === undefined ? '' : ' and the live database';
    if (ok) say(`Schema, migrations${result.notLooked.length === 0 ? ', git' : ''}${live} agree.`);
  }
  return ok ? 0 : 1;
}

async function runRecord(root: string, values: Values): Promise<number> {
  const { record } = await import('./record.js');
  const findings = await record(root, values.base);
  show(findings);
  if (findings.length === 0)
    say(
      'Recorded: migrations/pins.json and migrations/catalogue.json. Review them, then git add migrations.',
    );
  return findings.length === 0 ? 0 : 1;
}

async function runGenerate(root: string, values: Values): Promise<number> {
  const inCi = !['', 'false', undefined].includes(process.env['CI']);
  const tag = generate(root, values.name, { custom: values.custom === true, inCi });
  say(`Written: migrations/${tag}.sql. Review it; after each edit: npm run schema -- record`);
  return runRecord(root, values);
}

async function runRehearse(root: string, values: Values): Promise<number> {
  const { rehearse } = await import('./rehearse.js');
  await rehearse(root, values.from, say);
  return 0;
}

async function main(): Promise<number> {
  const { values, positionals } = parse();
  const root = resolve(values.root ?? dirname(dirname(__dirname)));
  if (positionals[0] === 'check') return runCheck(root, values, positionals);
  if (positionals[0] === 'record') return runRecord(root, values);
  if (positionals[0] === 'generate') return runGenerate(root, values);
  if (positionals[0] === 'rehearse') return runRehearse(root, values);
  throw new Error(USAGE);
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    complain(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  },
);
