import type { MigrationsFolder } from '../../../scripts/schema/folder';
import { lint } from '../../../scripts/schema/lint';

const BREAK = '--> statement-breakpoint\n';
const BOUNDED = `SET LOCAL lock_timeout = '5s';${BREAK}`;
const ALONE = '-- gatehouse:transaction none\n';

const folderOf = (sql: string, idx = 6): MigrationsFolder => ({
  path: '/nowhere',
  entries: [{ idx, when: 1, tag: '0006_new' }],
  sql: new Map([['0006_new', sql]]),
  snapshots: new Map(),
  pins: { lintFrom: 6, pins: {} },
});

/** Returns the rules that a migration breaks, in order. */
async function rulesOf(sql: string): Promise<string[]> {
  const { findings, notLooked } = await lint(folderOf(sql));
  expect(notLooked).toStrictEqual([]);
  return findings.map(({ code, message }) =>
    code === 'LINT' ? (/line \d+, ([\w-]+):/.exec(message)?.[1] ?? message) : code,
  );
}

const DANGERS: [rule: string, statement: string][] = [
  ['ban-drop-table', 'DROP TABLE users'],
  ['ban-drop-column', 'ALTER TABLE users DROP COLUMN email'],
  ['changing-column-type', 'ALTER TABLE users ALTER COLUMN email TYPE varchar(10)'],
  ['adding-required-field', 'ALTER TABLE users ADD COLUMN age bigint NOT NULL'],
  ['adding-not-nullable-field', 'ALTER TABLE users ALTER COLUMN email SET NOT NULL'],
  ['ban-drop-not-null', 'ALTER TABLE users ALTER COLUMN email DROP NOT NULL'],
  ['adding-field-with-default', 'ALTER TABLE users ADD COLUMN k uuid DEFAULT gen_random_uuid()'],
  ['require-concurrent-index-creation', 'CREATE INDEX i ON users (email)'],
  ['require-concurrent-index-deletion', 'DROP INDEX i'],
  ['constraint-missing-not-valid', 'ALTER TABLE users ADD CONSTRAINT c CHECK (email > $$a$$)'],
  ['renaming-table', 'ALTER TABLE users RENAME TO people'],
  ['renaming-column', 'ALTER TABLE users RENAME COLUMN email TO mail'],
  ['transaction-nesting', 'COMMIT'],
  ['drop-type', 'DROP TYPE revoke_reason'],
  ['drop-schema', 'DROP SCHEMA other'],
  ['drop-function', 'DROP FUNCTION gatehouse_uuid_v7()'],
  ['drop-trigger', 'DROP TRIGGER audit_logs_append_only ON audit_logs'],
  ['drop-view', 'DROP VIEW v'],
  ['drop-constraint', 'ALTER TABLE users DROP CONSTRAINT users_email_unique'],
  ['disable-trigger', 'ALTER TABLE audit_logs DISABLE TRIGGER ALL'],
  ['truncate', 'TRUNCATE users'],
  ['unbounded-write', 'DELETE FROM users'],
  ['unbounded-write', 'UPDATE users SET email = lower(email)'],
  ['rename', 'ALTER INDEX i RENAME TO j'],
  ['grant', 'GRANT SELECT ON users TO PUBLIC'],
  ['session-setting', "SET statement_timeout = '1s'"],
  ['do-block', 'DO $$ BEGIN PERFORM 1; END $$'],
];

describe('a migration that may hurt', () => {
  it.each(DANGERS)('is refused by %s: %s', async (rule, statement) => {
    expect(await rulesOf(`${BOUNDED}${statement};`)).toStrictEqual([rule]);
  });

  it.each(DANGERS)('passes where a line says why %s is right: %s', async (rule, statement) => {
    const reason = `-- gatehouse:allow ${rule} no release reads it any more\n`;
    expect(await rulesOf(`${BOUNDED}${reason}${statement};`)).toStrictEqual([]);
  });

  it('is refused by several rules at once, each to be allowed by itself', async () => {
    const unique = 'ALTER TABLE users ADD CONSTRAINT u UNIQUE (email);';
    expect((await rulesOf(`${BOUNDED}${unique}`)).sort()).toStrictEqual([
      'constraint-missing-not-valid',
      'disallowed-unique-constraint',
    ]);
    const foreign = 'ALTER TABLE users ADD CONSTRAINT f FOREIGN KEY (email) REFERENCES t (e);';
    expect((await rulesOf(`${BOUNDED}${foreign}`)).sort()).toStrictEqual([
      'adding-foreign-key-constraint',
      'constraint-missing-not-valid',
    ]);
    expect(await rulesOf(`${BOUNDED}DROP TABLE a CASCADE;`)).toStrictEqual([
      'ban-drop-table',
      'cascade',
    ]);
  });

  it('is refused where it waits for a lock without a bound', async () => {
    expect(await rulesOf('ALTER TABLE users ADD COLUMN nickname text;')).toStrictEqual([
      'require-lock-timeout',
    ]);
  });

  it('is no SQL: that is a finding, not a crash', async () => {
    const { findings } = await lint(folderOf('ALTER TABEL users;'));
    expect(findings).toMatchObject([{ code: 'LINT', object: '0006_new' }]);
    expect(findings[0]?.message).toMatch(/^Postgres cannot parse 0006_new: /);
  });

  it('names its line and how to write it instead', async () => {
    const { findings } = await lint(folderOf(`${BOUNDED}\nCREATE INDEX i ON users (email);`));
    expect(findings[0]?.message).toContain('0006_new, line 3, require-concurrent-index-creation');
    expect(findings[0]?.fix).toContain('CREATE INDEX CONCURRENTLY IF NOT EXISTS');
    expect(findings[0]?.fix).toContain('-- gatehouse:allow require-concurrent-index-creation');
  });
});

describe('a migration that cannot hurt', () => {
  it.each([
    ['a column that may be empty', `${BOUNDED}ALTER TABLE users ADD COLUMN nickname text;`],
    [
      'a column with a constant default',
      `${BOUNDED}ALTER TABLE users ADD COLUMN n bigint DEFAULT 0 NOT NULL;`,
    ],
    [
      'a new table with all that belongs to it',
      `CREATE TABLE notes (id uuid PRIMARY KEY, t text NOT NULL);${BREAK}CREATE INDEX i ON notes (t);${BREAK}ALTER TABLE notes ADD CONSTRAINT c CHECK (t > 'a');`,
    ],
    [
      'a bounded write',
      `${BOUNDED}UPDATE users SET email = lower(email) WHERE email <> lower(email);`,
    ],
    [
      'a constraint that is not yet checked',
      `${BOUNDED}ALTER TABLE users ADD CONSTRAINT c CHECK (email > 'a') NOT VALID;`,
    ],
    [
      'its check, by itself',
      `-- gatehouse:transaction own\n${BOUNDED}ALTER TABLE users VALIDATE CONSTRAINT c;`,
    ],
    [
      'an index that blocks nobody',
      `${ALONE}CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON users (email);${BREAK}DROP INDEX CONCURRENTLY IF EXISTS j;`,
    ],
    [
      'letters outside ASCII before what is looked at',
      `-- für später: ein Index für „alle“\n${BOUNDED}ALTER TABLE users ADD COLUMN größe text;`,
    ],
  ])('passes: %s', async (_what, sql) => {
    expect(await rulesOf(sql)).toStrictEqual([]);
  });

  it('is one that came before the lint', async () => {
    expect((await lint(folderOf('DROP TABLE users;', 5))).findings).toStrictEqual([]);
  });
});

describe('a line that allows', () => {
  const drop = 'DROP TYPE revoke_reason;';

  it.each([
    ['without a reason', `-- gatehouse:allow drop-type\n${drop}`],
    ['with next to none', `-- gatehouse:allow drop-type because reasons\n${drop}`],
  ])('%s allows nothing', async (_how, sql) => {
    expect(await rulesOf(`${BOUNDED}${sql}`)).toStrictEqual(['drop-type', 'ALLOWANCE']);
  });

  it('covers the next statement, and not the one after', async () => {
    const allow = '-- gatehouse:allow drop-type no release uses the type\n';
    expect(await rulesOf(`${BOUNDED}${allow}${drop}${BREAK}DROP TYPE other;`)).toStrictEqual([
      'drop-type',
    ]);
  });

  it('that allows what is not there is refused: it would allow what comes later', async () => {
    const stale = '-- gatehouse:allow ban-drop-table no release reads this table\n';
    expect(await rulesOf(`${BOUNDED}${stale}ALTER TABLE users ADD COLUMN n text;`)).toStrictEqual([
      'ALLOWANCE',
    ]);
    expect(await rulesOf(`${BOUNDED}ALTER TABLE users ADD COLUMN n text;\n${stale}`)).toStrictEqual(
      ['ALLOWANCE'],
    );
  });

  it('after letters outside ASCII still covers its own statement', async () => {
    const allow = '-- gatehouse:allow drop-type kein Release benutzt den Typ noch, größer „nie“\n';
    expect(await rulesOf(`${BOUNDED}-- äöü ${'ß'.repeat(40)}\n${allow}${drop}`)).toStrictEqual([]);
  });
});

describe('a transaction marker', () => {
  it.each([
    ['a word that is none', `-- gatehouse:transaction never\n${BOUNDED}SELECT 1;`],
    ['none around what cannot be repeated', `${ALONE}CREATE TABLE t (id uuid PRIMARY KEY);`],
    [
      'none around an index that a second run would trip over',
      `${ALONE}CREATE INDEX CONCURRENTLY i ON users (email);`,
    ],
    [
      'none around two statements in one',
      `${ALONE}CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON users (email);\nDROP INDEX CONCURRENTLY IF EXISTS j;`,
    ],
  ])('is refused: %s', async (_what, sql) => {
    expect(await rulesOf(sql)).toContain('TRANSACTION');
  });

  it('is asked for where an index is made concurrently', async () => {
    const sql = 'CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON users (email);';
    const { findings } = await lint(folderOf(sql));
    expect(findings.map(({ fix }) => fix).join()).toContain('gatehouse:transaction none');
  });
});
