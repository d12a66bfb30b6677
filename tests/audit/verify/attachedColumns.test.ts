import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { READ_COLUMNS } from '@/server/audit/verify/readColumns';
import { REPOSITORY } from '@/tests/helpers/server/serverProcess';
import { Auditor, told } from './auditor';

let auditor: Auditor;
const during = (deed: string, undo: string) => auditor.during(deed, undo);

beforeAll(async () => {
  auditor = await Auditor.open();
});

afterAll(() => auditor.close());

describe('the columns that verify-log reads', () => {
  it('are looked at as the migrations make them', () => {
    const file = readFileSync(join(REPOSITORY, 'migrations', 'catalogue.json'), 'utf8');
    const { objects } = JSON.parse(file) as { objects: Record<string, string> };
    for (const [table, columns] of Object.entries(READ_COLUMNS)) {
      const made = Object.entries(objects)
        .filter(([name]) => name.startsWith(`column public.${table}.`))
        .map(([name, made]) => [name.split('.').at(-1)?.replaceAll('"', ''), made]);
      if (table === 'tenants') expect(Object.fromEntries(made)).toMatchObject(columns);
      else expect(Object.fromEntries(made)).toEqual(columns);
    }
  });
});

describe('the role of an auditor finds', () => {
  it('details of another type, whose number is hashed like the one that was sealed', async () => {
    const { event_id: event } = await auditor.scene.leaf(21);
    const [row] = await auditor.scene.query<{ details: string; n: string }>(
      `SELECT details::text AS details, details->>'n' AS n FROM audit_logs WHERE id = '${event}'`,
    );
    const { details = '', n = '' } = row ?? {};
    const doubled = (last: string) =>
      details.replace(`"n": ${n}`, `"n": ${last}`).replace(/^\{/, '{"n": 99, ');
    const found = (last: string) =>
      during(
        `ALTER TABLE audit_logs ALTER details DROP DEFAULT, ALTER details TYPE json USING details::json;
         UPDATE audit_logs SET details = '${doubled(last)}' WHERE id = '${event}'`,
        `UPDATE audit_logs SET details = '${details}' WHERE id = '${event}';
         ALTER TABLE audit_logs ALTER details TYPE jsonb USING details::jsonb, ALTER details SET DEFAULT '{}'`,
      );
    const changed = {
      kind: 'column_changed',
      message: `column details of audit_logs is json not null; the migrations make jsonb not null default '{}'::jsonb`,
    };
    expect(await found(n)).toMatchObject([changed]);
    expect(await found(`${n}.00`)).toMatchObject([changed, { kind: 'number_changed', event }]);
    expect(await auditor.look()).toEqual([]);
  });

  it.each([
    ['audit_logs', 'actor', `SET DEFAULT 'system'`, 'DROP DEFAULT'],
    ['audit_logs', 'details', `SET DEFAULT '{"x": 1}'`, `SET DEFAULT '{}'`],
    ['audit_logs', 'occurred_at', 'SET DEFAULT now()', 'SET DEFAULT clock_timestamp()'],
    [
      'audit_logs',
      'occurred_at',
      'TYPE timestamp(0) with time zone',
      'TYPE timestamp(3) with time zone',
    ],
    ['audit_logs', 'actor', 'TYPE text COLLATE "C"', 'TYPE text'],
    ['audit_logs', 'correlation_id', 'DROP NOT NULL', 'SET NOT NULL'],
    ['audit_trees', 'size', 'SET DEFAULT 5', 'SET DEFAULT 0'],
    ['audit_checkpoints', 'note', 'TYPE varchar', 'TYPE text'],
    ['evidence_keys', 'public_key', 'TYPE varchar', 'TYPE text'],
    ['audit_sealer', 'cluster', 'TYPE varchar', 'TYPE text'],
    ['tenants', 'slug', `SET DEFAULT 'x'`, 'DROP DEFAULT'],
  ])('that a column of %s was changed: %s %s', async (table, column, how, back) => {
    const alter = (what: string) => `ALTER TABLE ${table} ALTER ${column} ${what}`;
    // Times would lose their milliseconds permanently.
    const keep = how.includes('(0)')
      ? [
          'CREATE TABLE kept AS SELECT id, occurred_at FROM audit_logs;',
          `; UPDATE audit_logs l SET occurred_at = k.occurred_at FROM kept k WHERE k.id = l.id; DROP TABLE kept`,
        ]
      : ['', ''];
    const findings = await during(`${keep[0]} ${alter(how)}`, `${alter(back)} ${keep[1]}`);
    expect(told(findings)).toContainEqual([
      'column_changed',
      expect.stringContaining(`column ${column} of ${table} is `),
    ]);
    expect(await auditor.look()).toEqual([]);
  });

  it('a column that is computed, in the place of one that was written', async () => {
    const findings = await during(
      `ALTER TABLE audit_logs RENAME country TO kept; ALTER TABLE audit_logs ADD country char(2) GENERATED ALWAYS AS (kept) STORED`,
      `ALTER TABLE audit_logs DROP country; ALTER TABLE audit_logs RENAME kept TO country`,
    );
    expect(told(findings)).toEqual([
      [
        'column_changed',
        expect.stringContaining('country of audit_logs is character(2) generated'),
      ],
    ]);
  });

  it.each(["bigint DEFAULT nextval('hush')", 'text GENERATED ALWAYS AS (upper(note)) STORED'])(
    'a column of no migration that runs something on each write: %s',
    async (type) => {
      const findings = await during(
        `CREATE SEQUENCE hush; ALTER TABLE audit_checkpoints ADD aside ${type}`,
        `ALTER TABLE audit_checkpoints DROP aside; DROP SEQUENCE hush`,
      );
      expect(told(findings)).toEqual([
        [
          'column_changed',
          expect.stringContaining('column aside of audit_checkpoints comes from no migration'),
        ],
      ]);
    },
  );

  it('a column of a type that cannot be compared any more, and says so instead of failing', async () => {
    const findings = await during(
      `ALTER TABLE audit_leaves ALTER event_id TYPE text`,
      `ALTER TABLE audit_leaves ALTER event_id TYPE uuid USING event_id::uuid`,
    );
    expect(told(findings)).toEqual([
      [
        'column_changed',
        'column event_id of audit_leaves is text not null; the migrations make uuid not null',
      ],
    ]);
    expect(await auditor.look()).toEqual([]);
  });
});
