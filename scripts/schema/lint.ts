import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { parse } from 'libpg-query';
import type { MigrationsFolder } from './folder';
import type { Finding, Findings } from './finding';
import {
  OWN_RULES,
  SQUAWK_FIXES,
  SQUAWK_RULES,
  createdBy,
  isRepeatableAlone,
  relationOf,
} from './lintRules';
import { remember } from './remember';

/** The oldest supported Postgres. A statement that is safe there is safe on newer ones. */
const POSTGRES = '14';
const ALLOW = /^\s*--\s*gatehouse:allow\b[ \t]*(\S*)[ \t]*(.*?)\s*$/;
const MARKER = /^\s*--\s*gatehouse:transaction\b[ \t]*(.*?)\s*$/m;
const REASON_WORDS = 3;

interface Statement {
  start: number;
  end: number;
  /** The first line that is not a comment, from 1. */
  line: number;
  kind: string;
  node: Record<string, unknown>;
  allowances: { rule: string; reason: string; used: boolean }[];
}

interface Hit {
  rule: string;
  message: string;
  fix: string;
  statement: Statement | undefined;
}

/** Parses a migration. Positions are in bytes, as in Postgres' parse tree. */
async function readStatements(sql: Buffer): Promise<Statement[]> {
  const tree = (await parse(sql.toString('utf8'))) as unknown as {
    stmts?: {
      stmt: Record<string, Record<string, unknown>>;
      stmt_location?: number;
      stmt_len?: number;
    }[];
  };
  let start = 0;
  return (tree.stmts ?? []).map(({ stmt, stmt_location: at = 0, stmt_len: length }) => {
    const [[kind, node] = ['', {}]] = Object.entries(stmt);
    const end = length === undefined ? sql.length : at + length;
    // The text starts at the end of the previous statement, so that the comments before a statement
    // belong to it.
    const text = sql.subarray(start, end).toString('utf8');
    const lead = /^(?:[\s;]+|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*/.exec(text)?.[0] ?? '';
    const before = sql.subarray(0, start).toString('utf8') + lead;
    const allowances = lead.split('\n').flatMap((line) => {
      const [, rule, reason] = ALLOW.exec(line) ?? [];
      return rule === undefined ? [] : [{ rule, reason: reason ?? '', used: false }];
    });
    const statement = { start, end, line: before.split('\n').length, kind, node, allowances };
    start = end;
    return statement;
  });
}

function findSquawk(): string | undefined {
  const name = `@squawk-cli/${process.platform}-${process.arch}`;
  try {
    const at = dirname(require.resolve(`${name}/package.json`));
    return join(at, 'bin', process.platform === 'win32' ? 'squawk.exe' : 'squawk');
  } catch {
    return undefined;
  }
}

interface SquawkFinding {
  line: number;
  column: number;
  message: string;
  help: string | null;
  rule_name: string;
}

function runSquawk(program: string, sql: Buffer, inTransaction: boolean): SquawkFinding[] {
  const args = [
    '--reporter',
    'json',
    '--pg-version',
    POSTGRES,
    '--stdin-filepath',
    'migration.sql',
  ];
  if (inTransaction) args.push('--assume-in-transaction');
  // squawk exits with 1 if it found something.
  let output: string;
  try {
    output = execFileSync(program, args, { input: sql, encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    output = String((error as { stdout?: string }).stdout ?? '');
    if (!output.startsWith('[')) throw error;
  }
  return JSON.parse(output) as SquawkFinding[];
}

async function squawkHits(
  program: string,
  sql: Buffer,
  statements: Statement[],
  alone: boolean,
): Promise<Hit[]> {
  const lines = sql.toString('utf8').split('\n');
  const offsetOf = (line: number, column: number) =>
    Buffer.byteLength(lines.slice(0, line).join('\n')) + (line > 0 ? 1 : 0) + column;
  const found = await remember(['squawk', String(alone), sql], () =>
    runSquawk(program, sql, !alone),
  );
  return found
    .filter(({ rule_name: rule }) => SQUAWK_RULES.has(rule))
    .map(({ line, column, message, help, rule_name: rule }) => {
      const offset = offsetOf(line, column);
      const statement = statements.find(({ start, end }) => start <= offset && offset <= end);
      return {
        rule,
        message,
        fix: SQUAWK_FIXES[rule] ?? help ?? 'rewrite the statement',
        statement,
      };
    });
}

function ownHits(statements: Statement[]): Hit[] {
  const created = new Set<string>();
  return statements.flatMap((statement) => {
    const { kind, node } = statement;
    for (const table of createdBy(kind, node)) created.add(table);
    return OWN_RULES.filter(({ matches }) => matches(kind, node, created)).map(({ name, why }) => ({
      rule: name,
      message: `The statement ${why}.`,
      fix: 'move it to a later release',
      statement,
    }));
  });
}

/**
 * Returns whether a hit about lock timeouts does not matter: nobody else can lock a table that the
 * same migration creates.
 */
function waitsForNobody(
  { rule, statement }: Hit,
  statements: Statement[],
  alone: boolean,
): boolean {
  if (rule !== 'require-lock-timeout' || !statement) return false;
  const made = statements.flatMap(({ kind, node }) => createdBy(kind, node));
  return alone || made.includes(relationOf(statement.node));
}

/**
 * Returns whether a line before the statement allows the hit and gives a reason. It marks that line
 * as used.
 */
function isAllowed({ rule, statement }: Hit): boolean {
  const allowance = statement?.allowances.find((one) => one.rule === rule);
  if (!allowance) return false;
  allowance.used = true;
  return allowance.reason.split(/\s+/).filter(Boolean).length >= REASON_WORDS;
}

function checkAllowances(tag: string, sql: string, statements: Statement[]): Finding[] {
  const read = statements.flatMap(({ allowances }) => allowances);
  const written = sql.split('\n').filter((line) => ALLOW.test(line)).length;
  const wrong = (message: string): Finding => ({
    code: 'ALLOWANCE',
    object: tag,
    message: `${tag}: ${message}`,
    fix: 'write `-- gatehouse:allow RULE why this is right here` on a line of its own before the statement, or remove the line',
  });
  const misplaced =
    written > read.length ? [wrong('A gatehouse:allow line is not followed by a statement.')] : [];
  return [
    ...misplaced,
    ...read.flatMap(({ rule, reason, used }) => {
      if (!used) return [wrong(`The line that allows \`${rule}\` matches no finding.`)];
      const words = reason.split(/\s+/).filter(Boolean).length;
      return words < REASON_WORDS
        ? [wrong(`The line that allows \`${rule}\` gives no reason.`)]
        : [];
    }),
  ];
}

function checkTransaction(tag: string, sql: string, statements: Statement[]): Finding[] {
  const word = MARKER.exec(sql)?.[1];
  const wrong = (message: string, fix: string): Finding => ({
    code: 'TRANSACTION',
    object: tag,
    message: `${tag}: ${message}`,
    fix,
  });
  if (word !== undefined && word !== 'own' && word !== 'none') {
    return [
      wrong(`\`${word}\` is not a transaction marker.`, 'write own or none, or remove the line'),
    ];
  }
  if (word !== 'none') {
    return statements
      .filter(({ node }) => node['concurrent'] === true)
      .map(({ line }) =>
        wrong(
          `The statement in line ${line} uses CONCURRENTLY, which cannot run in a transaction.`,
          'move it to a migration of its own that begins with: -- gatehouse:transaction none',
        ),
      );
  }
  const chunks = sql.split('--> statement-breakpoint').length;
  const several =
    statements.length > chunks
      ? [
          wrong(
            'Statements outside a transaction must be separated.',
            'put --> statement-breakpoint between them',
          ),
        ]
      : [];
  const unfit = statements
    .filter(({ kind, node }) => !isRepeatableAlone(kind, node))
    .map(({ line }) =>
      wrong(
        `The statement in line ${line} cannot be repeated after a crash, or does not need to run outside a transaction.`,
        'only CREATE INDEX CONCURRENTLY IF NOT EXISTS, DROP INDEX CONCURRENTLY IF EXISTS and VALIDATE CONSTRAINT are allowed here',
      ),
    );
  return [...several, ...unfit];
}

async function lintMigration(
  tag: string,
  text: string,
  squawk: string | undefined,
): Promise<Finding[]> {
  const sql = Buffer.from(text);
  let statements: Statement[];
  try {
    statements = await readStatements(sql);
  } catch (error) {
    const message = `Postgres cannot parse ${tag}: ${error instanceof Error ? error.message : String(error)}.`;
    return [{ code: 'LINT', object: tag, message, fix: 'correct the statement' }];
  }
  const alone = MARKER.exec(text)?.[1] === 'none';
  const hits = [
    ...(squawk === undefined ? [] : await squawkHits(squawk, sql, statements, alone)),
    ...ownHits(statements),
  ];
  const found = hits.filter((hit) => !waitsForNobody(hit, statements, alone) && !isAllowed(hit));
  return [
    ...found.map(({ rule, message, fix, statement }): Finding => ({
      code: 'LINT',
      object: tag,
      message: `${tag}, line ${statement?.line ?? 1}, ${rule}: ${message}`,
      fix: `${fix}; or allow it with: -- gatehouse:allow ${rule} why this is right here`,
    })),
    ...checkTransaction(tag, text, statements),
    ...checkAllowances(tag, text, statements),
  ];
}

/** Checks the migrations that are newer than the lint. Older ones have landed and cannot change. */
export async function lint({ entries, sql, pins }: MigrationsFolder): Promise<Findings> {
  const squawk = findSquawk();
  const findings: Finding[] = [];
  for (const { tag } of entries.filter(({ idx }) => idx >= pins.lintFrom)) {
    const text = sql.get(tag);
    if (text !== undefined) findings.push(...(await lintMigration(tag, text, squawk)));
  }
  const notLooked = squawk === undefined ? ['squawk: it is not available for this platform'] : [];
  return { findings, notLooked };
}
