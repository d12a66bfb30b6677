import { createHash } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import {
  formatExpectedCatalogue,
  readExpectedCatalogue,
} from '@/server/schema/catalogue/expectedCatalogue';
import { numbered } from '../../helpers/database/migrationsFolder';
import {
  copyRepository,
  makeScratchRepository,
  openSchemaServer,
  run,
} from '../../helpers/repository/scratchRepository';
import type { ScratchRepository } from '../../helpers/repository/scratchRepository';
import { REPOSITORY } from '../../helpers/server/serverProcess';

const NICKNAMES = `migrations/${numbered(0, 'tenants_have_nicknames')}.sql`;
const TABLE = 'server/db/schema/tenants.ts';
const COLUMN: [string, string] = [
  "name: text('name').notNull(),",
  "name: text('name').notNull(),\n    nickname: text('nickname'),",
];

let template: ScratchRepository;
/**
 * A checkout with an additional column and its migration, as `generate` leaves them: nothing is
 * staged.
 */
let generated: ScratchRepository;
let repository: ScratchRepository;

beforeAll(async () => {
  await openSchemaServer();
  template = makeScratchRepository();
  generated = copyRepository(template);
  generated.replace(TABLE, ...COLUMN);
  const args = ['generate', '--name', 'tenants_have_nicknames'];
  expect(await generated.spawnSchema(...args)).toMatchObject({ code: 0 });
});
beforeEach(() => {
  repository = copyRepository(template);
});
afterEach(() => repository.dispose());
afterAll(() => {
  template.dispose();
  generated.dispose();
});

const generate = (name: string, ...more: string[]) =>
  repository.spawnSchema('generate', '--name', name, ...more);

/** Continues from the state after the migration was generated. */
function useGenerated(): void {
  repository.dispose();
  repository = copyRepository(generated);
}

describe('a checkout where all fits', () => {
  it('passes in every mode, in one line', async () => {
    const content = { code: 0, stdout: 'Schema, migrations, git agree.\n', stderr: '' };
    // Runs it from its sources, as a developer does.
    repository.write('package.json', readFileSync(`${REPOSITORY}/package.json`, 'utf8'));
    expect(await repository.npmSchema('check')).toStrictEqual(content);
    repository.git('checkout', '-q', 'package.json');
    for (const mode of ['--staged', '--worktree', '--strict']) {
      expect(await repository.schema('check', mode)).toStrictEqual(content);
    }
  });

  it('prints JSON alone where a program asks', async () => {
    const { code, stdout } = await repository.schema('check', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toStrictEqual({ ok: true, findings: [], notLooked: [] });
  });

  it('is said to be unseen where there is no git, and fails where it must be seen', async () => {
    rmSync(`${repository.root}/.git`, { recursive: true });
    const { code, stdout, stderr } = await repository.schema('check');
    expect({ code, stdout }).toStrictEqual({ code: 0, stdout: 'Schema, migrations agree.\n' });
    expect(stderr).toMatch(/^Not checked: git: /);
    expect(await repository.codes('--strict')).toStrictEqual(['COULD_NOT_LOOK']);
  });
});

describe('the founding incident: the schema changed, and the migration', () => {
  beforeEach(() => repository.replace(TABLE, ...COLUMN));

  it('was never made: the check names the statement that is missing and how to make it', async () => {
    repository.commitAll();
    const { code, stderr } = await repository.schema('check');
    expect(code).toBe(1);
    expect(stderr).toContain('ALTER TABLE "tenants" ADD COLUMN "nickname" text;');
    expect(stderr).toContain('→ npm run schema -- generate --name what_changes');
    expect(await repository.codes()).toStrictEqual(['SCHEMA_CHANGED']);
  });

  it('was never made: the commit is refused, and nothing is lost', async () => {
    repository.git('add', TABLE);
    const { code, stderr } = await repository.commit();
    expect(code).toBe(1);
    expect(stderr).toContain('SCHEMA_CHANGED');
    expect(repository.git('diff', '--cached', '--name-only')).toBe(`${TABLE}\n`);
  });

  it('lies on one machine, untracked: the commit of the schema is refused', async () => {
    useGenerated();
    repository.git('add', TABLE);
    const { code, stderr } = await repository.commit();
    expect(code).toBe(1);
    expect(stderr).toContain(`UNTRACKED: ${NICKNAMES} is not staged`);
    expect(stderr).toContain('SCHEMA_CHANGED');
  });

  it('lies on one machine, untracked or ignored: so is the commit of anything else', async () => {
    useGenerated();
    repository.write('.git/info/exclude', `node_modules\n${NICKNAMES}\n`);
    repository.write('server/note.ts', 'export {};\n');
    repository.git('add', 'server/note.ts');
    const { code, stderr } = await repository.commit();
    expect(code).toBe(1);
    expect(stderr).toContain(`UNTRACKED: ${NICKNAMES}`);
    expect(stderr).toContain(`→ git add -f ${NICKNAMES}`);
  });

  it('lies ignored where nothing else of it is left: so is the commit of anything else', async () => {
    repository.git('checkout', '-q', TABLE);
    repository.write('.git/info/exclude', `node_modules\n${NICKNAMES}\n`);
    repository.write(NICKNAMES, 'SELECT 1;');
    repository.write('server/note.ts', 'export {};\n');
    repository.git('add', 'server/note.ts');
    expect(repository.git('status', '--porcelain')).toBe('A  server/note.ts\n');
    const { code, stderr } = await repository.commit();
    expect(code).toBe(1);
    expect(stderr).toContain(`UNTRACKED: ${NICKNAMES}`);
  });

  it('went into the commit with it: all layers are content', async () => {
    useGenerated();
    repository.git('add', TABLE, 'migrations');
    expect(await repository.commit()).toMatchObject({ code: 0 });
    expect(await repository.codes('--strict', '--base', 'HEAD~1')).toStrictEqual([]);
  });

  it('is staged and no more: that is enough for a commit, and not for a deployment', async () => {
    useGenerated();
    repository.git('add', TABLE, 'migrations');
    expect(await repository.codes('--worktree')).toStrictEqual([]);
    expect(new Set(await repository.codes())).toStrictEqual(new Set(['UNTRACKED', 'UNCOMMITTED']));
  });

  it('is staged and then edited: what is staged is what is judged', async () => {
    useGenerated();
    repository.git('add', TABLE, 'migrations');
    repository.replace(NICKNAMES, 'text', 'varchar(9)');
    expect(await repository.codes('--staged')).toStrictEqual(['UNCOMMITTED']);
    expect((await repository.commit()).code).toBe(1);
  });

  it('is in git, and its text is not, by a flag that hides changes from git status', async () => {
    useGenerated();
    repository.commitAll();
    repository.git('update-index', '--assume-unchanged', NICKNAMES);
    repository.replace(NICKNAMES, 'text', 'varchar(9)');
    expect(repository.git('status', '--porcelain')).toBe('');
    expect(await repository.codes()).toContain('UNCOMMITTED');
  });

  it('cannot be told, since a column may have been renamed: drizzle-kit would exit 0, the check does not', async () => {
    repository.git('checkout', '-q', TABLE);
    repository.replace(TABLE, "name: text('name')", "name: text('title')");
    repository.commitAll();
    const { code, stderr } = await repository.schema('check');
    expect(code).toBe(1);
    expect(stderr).toMatch(/SCHEMA_CHANGED: .* ambiguous: .* renamed/);
    const made = await generate('tenants_have_titles');
    expect(made.code).toBe(1);
    expect(made.stderr).toMatch(/No migration was written/);
  });
});

describe('the schema', () => {
  it('that does not load, or hides a table from its index, is a finding and not a crash', async () => {
    repository.replace(TABLE, 'export const tenants', 'export const tenants = oops;\nconst none');
    expect(await repository.codes('--worktree')).toStrictEqual(['SCHEMA_BROKEN']);
    repository.git('checkout', '-q', TABLE);
    repository.write(
      'server/db/schema/notes.ts',
      "import { pgTable, text } from 'drizzle-orm/pg-core';\nexport const notes = pgTable('notes', { text: text('text') });\n",
    );
    const { stderr } = await repository.schema('check', '--worktree');
    expect(stderr).toMatch(/SCHEMA_BROKEN: .*index\.ts does not export notes\.ts: notes\./);
  });
});

describe('a commit that has nothing to do with the schema', () => {
  it('is let through without asking anything, also while schema and node_modules are in disorder', async () => {
    repository.write('server/note.ts', 'export {};\n');
    repository.git('add', 'server/note.ts');
    repository.replace(TABLE, ...COLUMN);
    repository.remove('node_modules');
    expect(await repository.commit()).toStrictEqual({ code: 0, stdout: '', stderr: '' });
  });
});

describe('what has landed', () => {
  const LANDED = 'migrations/0003_settle_duplicate_token_hashes.sql';

  it('is not edited, not even together with its pin', async () => {
    repository.git('checkout', '-q', '-b', 'feature');
    repository.replace(LANDED, 'WHERE', 'WHERE true AND');
    const recorded = await repository.schema('record');
    expect(recorded.code).toBe(1);
    expect(recorded.stderr).toMatch(/EDITED: .*0003_settle.* was edited after it landed/);
    expect(await repository.codes('--worktree')).toStrictEqual([
      'UNCOMMITTED',
      'EDITED',
      'UNRECORDED',
    ]);
    // By hand, so the hash must be changed too.
    const hash = createHash('sha256').update(repository.read(LANDED)).digest('hex');
    repository.replace('migrations/pins.json', /("0003_settle[^}]*"sql": ")[0-9a-f]+/, `$1${hash}`);
    repository.commitAll();
    expect(await repository.codes()).toStrictEqual(['EDITED']);
    repository.git('checkout', '-q', 'main');
    expect(await repository.codes()).toStrictEqual([]);
  });

  it('is pinned: an edit is seen where there is no base to compare with', async () => {
    repository.replace(LANDED, 'WHERE', 'WHERE true AND');
    repository.commitAll();
    expect(await repository.codes()).toStrictEqual(['UNRECORDED']);
  });

  it('cannot be compared with a base that is not there, and the check says so', async () => {
    expect(await repository.codes('--base', 'origin/gone')).toStrictEqual(['COULD_NOT_LOOK']);
  });
});

describe('generate', () => {
  it('refuses in CI, without a name, and where there is nothing to write', async () => {
    const unchanged = await repository.spawnSchema('generate', '--name', 'x');
    expect(unchanged.stderr).toMatch(/No migration was written/);
    expect((await repository.spawnSchema('generate')).stderr).toMatch(/--name is missing/);
    repository.replace(TABLE, ...COLUMN);
    const args = [
      '--import',
      require.resolve('tsx'),
      'scripts/schema/cli.ts',
      'generate',
      '--name',
      'x',
    ];
    const refused = await run(process.execPath, args, repository.root, { CI: 'true' });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/never generated in CI/);
    expect(repository.git('status', '--porcelain')).toBe(` M ${TABLE}\n`);
  });

  it('begins what touches a table that is there with a bounded wait for its lock', () => {
    expect(generated.read(NICKNAMES)).toMatch(
      /^SET LOCAL lock_timeout = '5s';--> statement-breakpoint\n/,
    );
  });
});

describe('the manifest', () => {
  it('that is behind the migrations is told cheaply, one that is wrong by making them anew', async () => {
    await generate('a_note', '--custom');
    repository.write(
      `migrations/${numbered(0, 'a_note')}.sql`,
      "SET LOCAL lock_timeout = '5s';--> statement-breakpoint\nCREATE INDEX by_name ON tenants (id);\n",
    );
    repository.git('checkout', '-q', 'migrations/catalogue.json');
    repository.commitAll();
    expect(await repository.codes()).toEqual(
      expect.arrayContaining(['CATALOGUE_STALE', 'UNRECORDED']),
    );
    repository.git('reset', '-q', '--hard', 'HEAD~1');
    const { lastMigration, objects } = readExpectedCatalogue(`${repository.root}/migrations`);
    const wrong = { ...objects, 'index public.users.mine': 'CREATE INDEX mine' };
    repository.write('migrations/catalogue.json', formatExpectedCatalogue(lastMigration, wrong));
    repository.commitAll();
    expect(await repository.codes()).toStrictEqual([]);
    const { code, stderr } = await repository.schema('check', '--strict');
    expect(code).toBe(1);
    expect(stderr).toMatch(/CATALOGUE_STALE: .*index public\.users\.mine/);
  });
});
