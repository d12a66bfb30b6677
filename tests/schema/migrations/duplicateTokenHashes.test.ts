import { migrate } from '@/server/schema/migrations/migrate';
import { ask, withConnection } from '../../helpers/database/askDatabase';
import {
  MIGRATIONS,
  migrationsBefore,
  readMigrations,
} from '../../helpers/database/migrationsFolder';
import { createTestDatabase } from '../../helpers/database/testDatabase';

const ALL = readMigrations();
const BEFORE = 3;

let url: string;
let drop: () => Promise<void>;

beforeEach(async () => {
  ({ url, drop } = await createTestDatabase('template1'));
});
afterEach(() => drop());

interface TokenRow {
  id: string;
  token_hash: string;
  revoked: boolean;
  is_revoked: boolean;
  revoke_reason: string | null;
}

const OWNER = {
  tenant: '00000000-0000-7000-8000-000000000001',
  user: '00000000-0000-7000-8000-000000000002',
  staff: '00000000-0000-7000-8000-000000000003',
};

async function addOwner(): Promise<void> {
  await withConnection(url, async (client) => {
    await client.query(`INSERT INTO tenants (id, slug, name) VALUES ($1, 't', 'T')`, [
      OWNER.tenant,
    ]);
    await client.query(`INSERT INTO users (id, email, password_hash) VALUES ($1, 'a@b.c', '')`, [
      OWNER.user,
    ]);
    await client.query('INSERT INTO tenant_staff (id, tenant_id, user_id) VALUES ($1, $2, $3)', [
      OWNER.staff,
      OWNER.tenant,
      OWNER.user,
    ]);
  });
}

type State = 'live' | 'rotation' | 'logout' | 'flagged' | 'unexplained';

/** `flagged`: only `is_revoked` marks it as revoked. `unexplained`: revoked without a reason. */
async function addToken(hash: string, age: number, state: State): Promise<string> {
  const revoked = state === 'live' || state === 'flagged' ? null : '2026-01-01T00:00:00Z';
  const reason = state === 'rotation' || state === 'logout' ? state : null;
  const [row] = await ask<{ id: string }>(
    url,
    `INSERT INTO refresh_tokens (token_hash, tenant_id, user_id, staff_id, created_at, expires_at,
       revoked_at, is_revoked, revoke_reason)
     VALUES ($1, $2, $3, $4, timestamptz '2026-01-01' - make_interval(secs => $5), '2099-01-01', $6, $7, $8)
     RETURNING id`,
    [hash, OWNER.tenant, OWNER.user, OWNER.staff, age, revoked, state !== 'live', reason],
  );
  return row?.id ?? '';
}

async function tokens(): Promise<Map<string, TokenRow>> {
  const rows = await ask<TokenRow>(
    url,
    `SELECT id, token_hash, revoked_at IS NOT NULL AS revoked, is_revoked, revoke_reason
     FROM refresh_tokens`,
  );
  return new Map(rows.map((row) => [row.id, row]));
}

const hasUniqueHash = async () =>
  (
    await ask<{ definition: string }>(
      url,
      `SELECT pg_get_constraintdef(oid) AS definition FROM pg_constraint
       WHERE conname = 'refresh_tokens_token_hash_unique'`,
    )
  ).map(({ definition }) => definition);

describe('a database from before token_hash was unique', () => {
  beforeEach(async () => {
    await migrate(url, migrationsBefore('0003'));
    await addOwner();
  });

  it('keeps of each set of duplicates the newest live one usable, and ends the others with all rows kept', async () => {
    const kept: Record<string, string> = {
      alone: await addToken('alone', 9, 'live'),
      pair: await addToken('pair', 1, 'live'),
      // The newest row is dead. The live one is older and must be kept.
      triple: await addToken('triple', 5, 'live'),
      crowd: await addToken('crowd', 0, 'live'),
      // There is no live one, so nothing may become usable.
      dead: await addToken('dead', 1, 'rotation'),
      flagged: await addToken('flagged', 7, 'live'),
    };
    const others = [
      await addToken('pair', 2, 'live'),
      await addToken('triple', 1, 'unexplained'),
      await addToken('triple', 6, 'live'),
    ];
    for (let age = 1; age < 50; age += 1) others.push(await addToken('crowd', age, 'live'));
    const rotated = [
      await addToken('pair', 0, 'rotation'),
      await addToken('dead', 2, 'rotation'),
      await addToken('flagged', 0, 'logout'),
    ];
    const onlyFlagged = await addToken('flagged', 1, 'flagged');

    expect(await migrate(url, MIGRATIONS)).toBe(ALL.length - BEFORE);

    const after = await tokens();
    expect(after.size).toBe(6 + others.length + rotated.length + 1);
    for (const [hash, id] of Object.entries(kept)) {
      const isDead = hash === 'dead';
      expect(after.get(id)).toStrictEqual({
        id,
        token_hash: hash,
        revoked: isDead,
        is_revoked: isDead,
        revoke_reason: isDead ? 'rotation' : null,
      });
    }
    for (const id of [...others, onlyFlagged]) {
      expect(after.get(id)).toMatchObject({
        revoked: true,
        is_revoked: true,
        revoke_reason: 'security_event',
      });
    }
    // The reasons why these ended are recorded already, and must stay.
    expect(rotated.map((id) => after.get(id)?.revoke_reason)).toStrictEqual([
      'rotation',
      'rotation',
      'logout',
    ]);
    const hashes = [...after.values()].map(({ token_hash }) => token_hash);
    expect(new Set(hashes).size).toBe(hashes.length);
    for (const id of [...others, ...rotated, onlyFlagged]) {
      // No HMAC in hex has this form, so no token can find such a row any more.
      expect(after.get(id)?.token_hash).toMatch(/:duplicate:/);
    }
    expect(await hasUniqueHash()).toStrictEqual(['UNIQUE (token_hash)']);
  });

  it('migrates with 20 000 tokens, a tenth of them duplicates', async () => {
    await ask(
      url,
      `INSERT INTO refresh_tokens (token_hash, tenant_id, user_id, staff_id, expires_at, created_at)
       SELECT md5((n % 18000)::text), $1, $2, $3, '2099-01-01', timestamptz '2026-01-01' + make_interval(secs => n)
       FROM generate_series(1, 20000) n`,
      [OWNER.tenant, OWNER.user, OWNER.staff],
    );
    await migrate(url, MIGRATIONS);
    const [row] = await ask(
      url,
      `SELECT count(*)::int AS "all", count(DISTINCT token_hash)::int AS hashes,
         count(*) FILTER (WHERE revoked_at IS NULL AND NOT is_revoked AND length(token_hash) = 32)::int AS usable,
         count(*) FILTER (WHERE revoke_reason = 'security_event')::int AS ended,
         (SELECT count(*)::int FROM refresh_tokens WHERE revoked_at IS NULL
            AND created_at <= timestamptz '2026-01-01' + interval '2000 seconds') AS "older usable"
       FROM refresh_tokens`,
    );
    expect(row).toStrictEqual({
      all: 20_000,
      hashes: 20_000,
      usable: 18_000,
      ended: 2000,
      'older usable': 0,
    });
    expect(await hasUniqueHash()).toHaveLength(1);
  });
});
