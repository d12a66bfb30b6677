import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { db } from '@/server/db';
import { databaseFault, violatedConstraint } from '@/server/db/pgErrors';
import { giveConnection } from '@/tests/helpers/isolation/oneOfEach';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';

/** The columns that each table needs besides tenant, user and staff. */
const TABLES: Record<string, Record<string, unknown>> = {
  user_sessions: {},
  refresh_tokens: { expires_at: '2100-01-01' },
  step_up_challenges: {
    origin: 'login',
    purpose: 'security_settings',
    expires_at: '2100-01-01',
  },
  user_totp: { secret_sealed: '\\x00' },
  known_devices: {},
  known_addresses: {},
  known_countries: { country: 'GB' },
  known_networks: { network: '192.0.0.0/16' },
  scim_users: { id: undefined, user_name: 'a@x.test' },
  staff_habits: { id: undefined },
  recovery_codes: {},
  passkeys: { name: 'Key', public_key: '\\x00', transports: '{}', backed_up: false },
  passkey_registrations: { id: undefined, challenge: 'x', expires_at: '2100-01-01' },
  mails: { kind: 'new_device', expires_at: '2100-01-01' },
  invitations: {
    email: 'a@x.test',
    delivery: 'mail',
    expires_at: '2100-01-01',
    accepted_at: '2026-01-01',
  },
  identity_links: { issuer: 'https://idp.example', how: 'domain', linked_at: '2026-01-01' },
  sso_attempts: {
    ...{ kind: 'link', remember_me: false, session_id: randomUUID(), sender_hash: '\\x00' },
    ...{ cookie_hash: '\\x00', secrets_sealed: '\\x00' },
    ...{ created_at: '2026-01-01', expires_at: '2026-01-02' },
  },
  approval_requests: { kind: 'member', change: '{}', expires_at: '2100-01-01' },
  api_keys: { name: 'Nightly', key_id: 'x', expires_at: '2100-01-01' },
  impersonation_consents: { id: undefined, given_at: '2026-01-01', expires_at: '2026-01-02' },
  impersonations: {
    ...{ session_version: 1, actor_session_id: randomUUID(), actor_session_version: 1 },
    ...{ scope: 'read_only', reason: 'A question', consent: 'told' },
    ...{ started_at: '2026-01-01', expires_at: '2026-01-01' },
    ...{ ended_at: '2026-01-01', end_reason: 'stopped' },
  },
  email_changes: { from_email: 'a@x.test', to_email: 'b@x.test', expires_at: '2100-01-01' },
};
/** Logs. They must outlive their subjects, and are written without a check. */
const WITHOUT_KEYS = ['risk_decisions', 'session_history', 'step_up_history', 'token_history'];
/** Columns that must be unique, with a fresh value for each. */
const UNIQUE: Record<string, string> = {
  refresh_tokens: 'token_hash',
  known_addresses: 'address_hash',
  known_devices: 'device_hash',
  recovery_codes: 'code_hash',
  passkeys: 'credential_id',
  invitations: 'link_id',
  api_keys: 'secret_hash',
  identity_links: 'subject',
  sso_attempts: 'state_hash',
};

let mine: SeededAuth;
let theirs: SeededAuth;
/** Another member of my tenant. */
let colleague: SeededAuth;
/** A connection of my tenant. */
let connectionId: string;

type Owner = Pick<SeededAuth, 'tenantId' | 'userId' | 'staffId'>;

function insert(table: string, owner: Owner, more: Record<string, unknown> = {}) {
  const { tenantId, userId, staffId } = owner;
  const unique = UNIQUE[table];
  const row: Record<string, unknown> = {
    id: randomUUID(),
    tenant_id: tenantId,
    user_id: userId,
    staff_id: staffId,
    ...TABLES[table],
    ...(table === 'approval_requests'
      ? { requester_staff_id: staffId, requester_user_id: userId }
      : {}),
    ...(table === 'impersonations'
      ? { actor_staff_id: colleague.staffId, actor_user_id: colleague.userId }
      : {}),
    ...(['identity_links', 'sso_attempts'].includes(table) ? { connection_id: connectionId } : {}),
    ...(unique === undefined ? {} : { [unique]: randomUUID() }),
    ...more,
  };
  // If the staff member is the key, the table has no key of its own.
  if (row['id'] === undefined) delete row['id'];
  const columns = sql.join(
    Object.keys(row).map((name) => sql.identifier(name)),
    sql`, `,
  );
  const values = sql.join(
    Object.values(row).map((value) => sql`${value}`),
    sql`, `,
  );
  return db.execute(sql`INSERT INTO ${sql.identifier(table)} (${columns}) VALUES (${values})`);
}

/** @returns the constraint that refused it */
async function refusedBy(work: Promise<unknown>): Promise<string | undefined> {
  const error: unknown = await work.then(
    () => new Error('the database took it'),
    (reason: unknown) => reason,
  );
  expect(databaseFault(error)).toBe('foreign_key_violation');
  return violatedConstraint(error);
}

beforeEach(async () => {
  mine = await seedTestUserAndToken();
  theirs = await seedTestUserAndToken();
  colleague = await seedTestUserAndToken({ tenantId: mine.tenantId });
  connectionId = await giveConnection(mine.tenantId);
});

it('covers every table that belongs to a staff member', async () => {
  const { rows } = await db.execute<{ name: string }>(
    sql`SELECT table_name AS name FROM information_schema.columns
        WHERE table_schema = 'public' AND column_name = 'staff_id'`,
  );
  const found = rows.map(({ name }) => name);
  const covered = [...Object.keys(TABLES), ...WITHOUT_KEYS];
  const missing = found
    .filter((name) => !covered.includes(name))
    .map((name) => `${name}: add it to TABLES or WITHOUT_KEYS in tests/tenants/tenantKeys.test.ts`);
  expect(missing).toEqual([]);
  expect(covered.filter((name) => !found.includes(name))).toEqual([]);
});

describe.each(Object.keys(TABLES))('%s', (table) => {
  it('takes a row whose tenant, person and membership belong together', async () => {
    await expect(insert(table, mine)).resolves.toBeDefined();
  });

  it("refuses a row of another tenant's member, of another person, and of nobody", async () => {
    const constraint = `${table}_staff_fk`;
    const { tenantId, userId, staffId } = theirs;
    for (const foreign of [{ tenantId }, { userId }, { staffId }, { staffId: randomUUID() }]) {
      expect(await refusedBy(insert(table, { ...mine, ...foreign }))).toBe(constraint);
    }
  });
});

it.each(['refresh_tokens', 'step_up_challenges'])(
  "%s refuses a row of mine in another tenant's session",
  async (table) => {
    const inTheirs = insert(table, mine, { session_id: theirs.sessionId });
    expect(await refusedBy(inTheirs)).toBe(`${table}_session_fk`);
    await expect(insert(table, mine, { session_id: mine.sessionId })).resolves.toBeDefined();
  },
);
