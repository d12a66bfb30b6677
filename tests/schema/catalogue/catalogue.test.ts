import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import {
  compareCatalogues,
  describeDifference,
  suggestMend,
} from '@/server/schema/catalogue/compareCatalogues';
import type { Difference } from '@/server/schema/catalogue/compareCatalogues';
import {
  formatExpectedCatalogue,
  readExpectedCatalogue,
} from '@/server/schema/catalogue/expectedCatalogue';
import { readCatalogue } from '@/server/schema/catalogue/readCatalogue';
import { createTestDatabase } from '../../helpers/database/testDatabase';
import { HAND_MADE_CHANGES } from './handMadeChanges';

let url: string;
let drop: () => Promise<void>;
let client: Client;

beforeEach(async () => {
  ({ url, drop } = await createTestDatabase());
  client = new Client({ connectionString: url });
  await client.connect();
});
afterEach(async () => {
  await client.end();
  await drop();
});

/** Returns the differences that these statements cause. */
async function differencesAfter(ddl: string, knownRoles: string[] = []): Promise<Difference[]> {
  const before = await readCatalogue(client);
  await client.query(ddl);
  return compareCatalogues(before, await readCatalogue(client), { knownRoles });
}

describe('a change made by hand', () => {
  it.each(HAND_MADE_CHANGES.map((one) => [one.change, one] as const))(
    'is named, once, with its cause and its mend: %s',
    async (change, { problem, object, expected, found, mend, harmless = false }) => {
      const differences = await differencesAfter(change);
      expect(differences).toMatchObject([{ problem, object, harmless }]);
      const [difference] = differences as [Difference];
      if (expected) expect(difference.expected).toMatch(expected);
      if (found) expect(difference.found).toMatch(found);
      if (mend) expect(suggestMend(difference)).toMatch(mend);
      const sentence = describeDifference(difference);
      expect(sentence).toContain(object);
      for (const text of [difference.expected, difference.found]) {
        if (text !== undefined) expect(sentence).toContain(text.replaceAll(/\s+/g, ' ').trim());
      }
    },
  );

  it('that dropped a table names it and the foreign keys that went with it, and not each of its parts', async () => {
    const differences = await differencesAfter('DROP TABLE user_sessions CASCADE');
    expect(differences.map(({ problem, object }) => `${problem} ${object}`)).toStrictEqual([
      'missing constraint public.refresh_tokens.refresh_tokens_session_fk',
      'missing constraint public.step_up_challenges.step_up_challenges_session_fk',
      'missing table public.user_sessions',
    ]);
  });

  it('that left an index invalid is seen, though the index has its name and definition', async () => {
    const before = await readCatalogue(client);
    await client.query(`INSERT INTO tenants (slug, name) VALUES ('a', 'twice'), ('b', 'twice')`);
    await expect(
      client.query('CREATE UNIQUE INDEX CONCURRENTLY tight ON tenants (name)'),
    ).rejects.toThrow(/could not create unique index/);
    const [found] = compareCatalogues(before, await readCatalogue(client));
    expect(found?.object).toBe('index public.tenants.tight');
    expect(found?.found).toMatch(/ INVALID\b/);
  });

  it('that switches every trigger off, without touching one, is seen', async () => {
    const name = new URL(url).pathname.slice(1);
    const differences = await differencesAfter(
      `ALTER DATABASE ${name} SET session_replication_role = replica`,
    );
    expect(differences).toMatchObject([
      { problem: 'extra', object: 'setting session_replication_role', harmless: false },
    ]);
  });

  it('is put right by the statement that the finding gives', async () => {
    const before = await readCatalogue(client);
    for (const change of [
      'DROP INDEX idx_refresh_tokens_family',
      'DROP TRIGGER audit_logs_append_only ON audit_logs',
      'ALTER TABLE audit_logs DISABLE TRIGGER audit_logs_append_only',
      'ALTER TABLE users DROP CONSTRAINT users_email_lowercase, ADD CONSTRAINT users_email_lowercase CHECK (true)',
      'ALTER TABLE step_up_challenges DROP CONSTRAINT step_up_challenges_order',
      'ALTER TABLE known_devices DISABLE TRIGGER ALL',
      'GRANT SELECT ON users TO PUBLIC',
    ]) {
      const [difference] = await differencesAfter(change);
      await client.query(suggestMend(difference as Difference));
      expect(compareCatalogues(before, await readCatalogue(client))).toStrictEqual([]);
    }
  });

  it.each(['DISABLE TRIGGER ALL', 'DISABLE TRIGGER ALL, ENABLE TRIGGER ALL'])(
    'that pg_restore --disable-triggers leaves behind is put right by the findings, in their order: %s',
    async (change) => {
      const before = await readCatalogue(client);
      const found = await differencesAfter(`ALTER TABLE user_sessions ${change}`);
      expect(found.map(({ object }) => object)).toContain(
        'trigger public.user_sessions.user_sessions_access_changed',
      );
      for (const difference of found) await client.query(suggestMend(difference));
      expect(compareCatalogues(before, await readCatalogue(client))).toStrictEqual([]);
    },
  );
});

describe('what is no difference', () => {
  it('is a database just migrated, whoever looks and however their search path is set', async () => {
    const before = await readCatalogue(client);
    expect(Object.keys(before).length).toBeGreaterThan(150);
    const role = `looker_${new URL(url).pathname.slice(6)}`;
    await client.query(
      `CREATE ROLE ${role} LOGIN; CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.users (id int)`,
    );
    try {
      for (const setting of [
        'SET search_path = elsewhere, public',
        'SET quote_all_identifiers = on',
        `SET SESSION AUTHORIZATION ${role}`,
      ]) {
        await client.query(setting);
        expect(await readCatalogue(client)).toStrictEqual(before);
      }
    } finally {
      await client.query(`RESET SESSION AUTHORIZATION; DROP ROLE ${role}`);
    }
  });

  it('is what a role may do that the operator named; PUBLIC cannot be named', async () => {
    const change = 'GRANT SELECT ON users TO pg_monitor';
    expect(await differencesAfter(change, ['pg_monitor'])).toStrictEqual([]);
    expect(
      await differencesAfter('GRANT SELECT ON users TO PUBLIC', ['PUBLIC', 'public']),
    ).toHaveLength(1);
  });

  it('is an order of columns, and a privilege that was spelled out and is the default', async () => {
    const role = 'CURRENT_USER';
    expect(await differencesAfter(`GRANT ALL ON users TO ${role}`)).toStrictEqual([]);
    const reordered =
      'ALTER TABLE declared_permissions RENAME description TO old; ALTER TABLE declared_permissions ADD COLUMN description text; UPDATE declared_permissions SET description = old; ALTER TABLE declared_permissions ALTER COLUMN description SET NOT NULL, DROP COLUMN old';
    expect(await differencesAfter(reordered)).toStrictEqual([]);
  });
});

describe('the manifest', () => {
  const folders: string[] = [];
  const write = (text: string): string => {
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-manifest-'));
    folders.push(folder);
    writeFileSync(join(folder, 'catalogue.json'), text);
    return folder;
  };
  afterAll(() => {
    for (const folder of folders) rmSync(folder, { recursive: true });
  });

  it('reads back what was written, an object a line', async () => {
    const catalogue = await readCatalogue(client);
    const text = formatExpectedCatalogue('0001_x', catalogue);
    const read = readExpectedCatalogue(write(text));
    expect(read).toMatchObject({ lastMigration: '0001_x', objects: catalogue });
    expect(text.split('\n')).toHaveLength(Object.keys(catalogue).length + 8);
  });

  it('that is missing, broken or edited by hand is refused with the command that mends it', async () => {
    const text = formatExpectedCatalogue('0001_x', await readCatalogue(client));
    const edited = text.replace(
      '"table public.users": "table"',
      '"table public.users": "unlogged"',
    );
    expect(edited).not.toBe(text);
    const mend = 'run `npm run schema -- record`';
    expect(() => readExpectedCatalogue('/nowhere')).toThrow(mend);
    expect(() => readExpectedCatalogue(write('not JSON'))).toThrow(mend);
    expect(() => readExpectedCatalogue(write('{}'))).toThrow(mend);
    expect(() => readExpectedCatalogue(write(edited))).toThrow(/edited by hand/);
  });
});
