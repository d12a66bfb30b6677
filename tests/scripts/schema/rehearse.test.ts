import { numbered } from '../../helpers/database/migrationsFolder';
import {
  copyRepository,
  makeScratchRepository,
  openSchemaServer,
} from '../../helpers/repository/scratchRepository';
import type { ScratchRepository } from '../../helpers/repository/scratchRepository';

let template: ScratchRepository;
let repository: ScratchRepository;

beforeAll(async () => {
  await openSchemaServer();
  template = makeScratchRepository();
  await template.spawnSchema('generate', '--custom', '--name', 'added');
});
beforeEach(() => {
  repository = copyRepository(template);
});
afterEach(() => repository.dispose());
afterAll(() => template.dispose());

/** Adds the one migration of the next release, with this statement. */
async function addMigration(statement: string): Promise<void> {
  repository.write(
    `migrations/${numbered(0, 'added')}.sql`,
    `SET LOCAL lock_timeout = '5s';--> statement-breakpoint\n${statement};\n`,
  );
  expect(await repository.schema('record')).toMatchObject({ code: 0 });
}

const REHEARSE = ['rehearse', '--from', 'HEAD'];
const rehearse = () => repository.schema(...REHEARSE);

describe('a release is rehearsed on the database of the one before, each of its tables filled', () => {
  it('passes where all rows are kept and a second run finds nothing to do', async () => {
    await addMigration("ALTER TABLE users ADD COLUMN nickname text DEFAULT 'none' NOT NULL");
    const { code, stdout, stderr } = await repository.npmSchema(...REHEARSE);
    expect({ code, stderr }).toStrictEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^Empty database: \d+ migrations applied, none on the second run; /m);
    expect(stdout).toMatch(
      / rows\): 1 more applied, none on the second run; .* no row was lost\.$/m,
    );
  });

  it('fails where rows are lost on the way, and counts them', async () => {
    await addMigration('DELETE FROM known_devices');
    const { code, stderr } = await rehearse();
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Of \d{2,} rows in known_devices, 0 are left after the migration\.$/m);
  });

  it('fails where a migration suits an empty database and no other', async () => {
    await addMigration('ALTER TABLE users ADD COLUMN age bigint NOT NULL');
    const { code, stdout, stderr } = await rehearse();
    expect(code).toBe(1);
    expect(stdout).toMatch(/^Empty database: /m);
    expect(stderr).toMatch(/column "age" of relation "users" contains null values/);
  });

  it('fails where the manifest was not recorded with the migration', async () => {
    await addMigration('ALTER TABLE users ADD COLUMN nickname text');
    repository.git('checkout', '-q', 'migrations/catalogue.json');
    const { code, stderr } = await rehearse();
    expect(code).toBe(1);
    expect(stderr).toMatch(/differs from the schema that the migrations create:\n.*nickname/s);
  });
});
