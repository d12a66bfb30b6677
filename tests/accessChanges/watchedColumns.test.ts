import { randomUUID } from 'node:crypto';
import { createGuard } from '@/guard';
import type { Guard } from '@/guard';
import { DEFAULT_POLICY } from '@/server/security/risk/riskPolicy';
import { ask } from '@/tests/helpers/database/askDatabase';
import { untilStats } from '@/tests/helpers/guard/fakeGatehouse';
import { openChangeStream } from '@/tests/helpers/http/changeStream';
import { listen } from '@/tests/helpers/http/listen';
import { makeApiKey, makeServiceKey, withKey } from '@/tests/helpers/people/programs';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { closeLater } from '@/tests/helpers/server/closing';
import { buildApp } from '@/tests/helpers/server/testApp';

const databaseUrl = process.env['DATABASE_URL'] ?? '';
const { app, deps } = buildApp();
const VIEW = 'TENANT_STAFF_VIEW';
const PURPOSE = 'app:delete';

let url: string;
let guard: Guard;
beforeAll(async () => {
  url = await listen(app);
  const serviceKey = await makeServiceKey(deps, ['introspect']);
  guard = createGuard({
    ...{ url, serviceKey },
    // So long a bound that only a change can make it ask, and messages as often as with a short one.
    maxStalenessMs: 60_000,
    fetch: (input, init) =>
      fetch((input as URL).href.replace(/heartbeatMs=\d+/, 'heartbeatMs=100'), init),
  });
  closeLater(() => guard.close());
  await untilStats(guard, ({ stalenessMs }) => stalenessMs !== null);
});

/** Each table by whose rows an answer is found, and the row of the scene. */
const ROWS = {
  user_sessions: 'id = :sessionId',
  tenant_staff: 'id = :staffId',
  users: 'id = :userId',
  tenants: 'id = :tenantId',
  step_up_challenges: 'id = :challengeId',
  risk_policies: 'tenant_id = :tenantId',
  ip_rule_sets: 'tenant_id = :tenantId',
  api_keys: 'id = :apiKeyId',
} as const;
type Table = keyof typeof ROWS;

/** These are in no answer, and decide about none. */
const UNUSED: Readonly<Record<Table | 'service_keys' | 'impersonations', string>> = {
  // Their trigger has no condition: each update is reported.
  impersonations: `id tenant_id staff_id user_id session_version actor_staff_id actor_user_id actor_session_id actor_session_version
    scope reason ticket consent consent_given_at started_at expires_at address_refused_at ended_at end_reason`,
  user_sessions:
    'remember_me last_seen_at revoke_reason ip country user_agent device_hashes began_country network origin_proven_at' +
    ' sso_connection_id provider_sid own_proof_at own_proof_link own_proof_link_until',
  tenant_staff: 'must_prove_login created_at disabled_at removed_at',
  users: 'password_hash password_changed_at password_expired_at email_normalized created_at',
  tenants: 'name high_risk_action needs_approval created_at suspended_at deleted_at',
  step_up_challenges: `id user_id staff_id score reasons remember_me attempts created_at expires_at verified_method email_code_hash
    email_sent_at emails_sent passkey_challenge refresh_token_id act answer_hash browser_hash must_enrol password_due
    sso_connection_id provider_sid provider_amr`,
  risk_policies: 'version updated_at updated_by',
  ip_rule_sets: 'version trial_started_at trial_by updated_at',
  api_keys:
    'key_id previous_key_id issued_session_id created_at rotated_at revoked_by last_used_at last_used_ip',
  service_keys:
    'name key_id previous_key_id created_at created_by rotated_at revoked_by last_used_at last_used_ip',
};

type Outcome = number | Record<string, unknown>;
const OTHER = 'gen_random_uuid()';
const PAST = "now() - interval '1 second'";
const AS_PREVIOUS = `UPDATE api_keys SET previous_hash = secret_hash, previous_key_id = key_id, previous_until = now() + interval '1 hour', secret_hash = sha256(secret_hash) WHERE id = :apiKeyId`;
const windows = (seconds: number) =>
  `'${JSON.stringify({ ...DEFAULT_POLICY, stepUpWindowsSec: { security_settings: seconds, data_export: seconds, impersonation: seconds } })}'`;
const policyOf = (seconds: number) =>
  `INSERT INTO risk_policies (tenant_id, policy) VALUES (:tenantId, ${windows(seconds)})`;

/** Rules that shut out the address of the scene, and that are suspended. */
const SUSPENDED = `INSERT INTO ip_rule_sets (tenant_id, suspended_at) VALUES (:tenantId, now());
  INSERT INTO ip_rules (tenant_id, action, applies_to, range) VALUES (:tenantId, 'allow', 'people', '192.0.2.0/24')`;
/** The same rules, and in their place a trial of rules that let it pass. */
const TRIED = `${SUSPENDED};
  UPDATE ip_rule_sets SET suspended_at = NULL, trial_started_at = now(), trial_ends_at = now() + interval '1 hour', trial_by = :staffId
  WHERE tenant_id = :tenantId;
  INSERT INTO ip_rules (tenant_id, trial, action, applies_to, range) VALUES (:tenantId, true, 'allow', 'people', '203.0.113.0/24')`;

/** The column, its new value, the decision afterwards, and what has to be there before. */
const CASES: [column: `${Table}.${string}`, value: string, then: Outcome, before?: string][] = [
  ['user_sessions.id', OTHER, 401],
  ['user_sessions.tenant_id', OTHER, 401],
  ['user_sessions.user_id', OTHER, 401],
  ['user_sessions.staff_id', OTHER, 401],
  ['user_sessions.session_version', '7', 401],
  ['user_sessions.created_at', 'to_timestamp(1000000000)', { authTime: 1_000_000_000 }],
  ['user_sessions.expires_at', PAST, 401],
  ['user_sessions.revoked_at', 'now()', 401],
  ['user_sessions.amr', "'{pwd,otp,mfa}'", { acr: 'aal2', amr: ['pwd', 'otp', 'mfa'] }],
  ['tenant_staff.id', OTHER, 401],
  ['tenant_staff.tenant_id', OTHER, 401],
  ['tenant_staff.user_id', OTHER, 401],
  ['tenant_staff.roles', "'{chief}'", { roles: ['chief'] }],
  ['tenant_staff.permissions', "'{}'", 403],
  ['tenant_staff.status', "'disabled'", 401],
  ['tenant_staff.ends_at', PAST, 401],
  ['tenant_staff.session_version', '7', 401],
  ['users.id', OTHER, 401],
  [
    'users.email',
    "'new-' || :userId || '@example.com'",
    { email: expect.stringContaining('new-') },
  ],
  ['users.name', "'Ann'", { name: 'Ann' }],
  ['users.status', "'disabled'", 401],
  ['tenants.id', OTHER, 401],
  ['tenants.slug', "'s-' || left(:tenantId, 36)", { tenant: expect.stringMatching(/^s-/) }],
  ['tenants.status', "'suspended'", 401],
  ['step_up_challenges.tenant_id', OTHER, 428],
  ['step_up_challenges.session_id', OTHER, 428],
  ['step_up_challenges.origin', "'login'", 428],
  ['step_up_challenges.purpose', "'app:other'", 428],
  ['step_up_challenges.act_digest', "repeat('a', 64)", 428],
  ['step_up_challenges.verified_at', "now() - interval '1 day'", 428],
  ['step_up_challenges.consumed_at', 'now()', 428],
  ['step_up_challenges.revoked_at', 'now()', 428],
  ['step_up_challenges.session_version', '7', 428],
  ['risk_policies.tenant_id', OTHER, 428, policyOf(900)],
  ['risk_policies.policy', windows(30), 428, policyOf(900)],
  ['ip_rule_sets.suspended_at', 'NULL', 403, SUSPENDED],
  ['ip_rule_sets.trial_ends_at', PAST, 403, TRIED],
  ['ip_rule_sets.tenant_id', OTHER, {}, SUSPENDED],
  ['api_keys.id', OTHER, { apiKeyId: expect.any(String) }],
  ['api_keys.tenant_id', OTHER, 401],
  ['api_keys.staff_id', OTHER, 401],
  ['api_keys.user_id', OTHER, 401],
  ['api_keys.name', "'renamed'", {}],
  ['api_keys.permissions', "'{}'", 403],
  ['api_keys.addresses', "'{192.0.2.1}'", 401],
  ['api_keys.secret_hash', 'sha256(secret_hash)', 401],
  ['api_keys.previous_hash', 'sha256(secret_hash)', 401, AS_PREVIOUS],
  ['api_keys.previous_until', PAST, 401, AS_PREVIOUS],
  ['api_keys.expires_at', PAST, 401],
  ['api_keys.revoked_at', 'now()', 401],
];

/** A person with a proof that was given more than ten minutes ago, or recently; and their API key. */
async function makeScene(table: string, longAgo: boolean) {
  const who = await seedTestUserAndToken({ permissions: [VIEW, 'API_KEYS_MANAGE'] });
  const challengeId = randomUUID();
  const made =
    table === 'api_keys' ? await makeApiKey(app, who, { permissions: [VIEW] }) : undefined;
  const ids = { ...who, challengeId, apiKeyId: made?.id ?? '' };
  /** Runs statements without the triggers that replication skips, and so without foreign keys. */
  const run = (text: string) =>
    ask(
      databaseUrl,
      `SET session_replication_role = replica; ${text.replaceAll(/:(\w+Id)\b/g, (_all, name: keyof typeof ids) => `'${ids[name]}'`)}`,
    );
  await run(
    `INSERT INTO step_up_challenges (id, tenant_id, user_id, staff_id, session_id, origin, purpose, expires_at, verified_at, session_version)
     VALUES (:challengeId, :tenantId, :userId, :staffId, :sessionId, 'session', '${PURPOSE}', now(), now() - interval '${longAgo ? 700 : 60} s', 1)`,
  );
  return { credential: made?.key ?? who.token, run };
}

/** Waits until the guard knows everything up to now. */
function untilCovered(): Promise<unknown> {
  const since = performance.now();
  return untilStats(
    guard,
    ({ stalenessMs }) => stalenessMs !== null && stalenessMs < performance.now() - since,
  );
}

/** Decides twice by what is kept, changes a row, and returns the next decision after the message. */
async function decideAround(table: string, change: string, before?: string) {
  const { credential, run } = await makeScene(table, before?.includes('900') === true);
  if (before) await run(before).then(untilCovered);
  const stepUp = { stepUp: { purpose: PURPOSE } };
  const need = { permissions: [VIEW], ...(/step_up|policies/.test(table) ? stepUp : {}) };
  const decide = () => guard.decide(`Bearer ${credential}`, need, { address: '203.0.113.9' });
  expect(await decide()).toMatchObject({ allowed: true, source: 'asked' });
  expect(await decide()).toMatchObject({ allowed: true, source: 'kept' });
  await run(change);
  await untilCovered();
  return decide();
}

/** Fills what may be left out: Jest would pass a callback in its place. */
const whole = <A, B, C>(rows: readonly [A, B, C, string?][]) =>
  rows.map(([one, two, three, before = '']) => [one, two, three, before] as const);

it.each(whole(CASES))(
  'a change of %s to %s is in the next decision of a guard, also if it was made without the triggers of replication',
  async (column, value, then, before) => {
    const [table, name] = column.split('.') as [Table, string];
    const change = `UPDATE ${table} SET ${name} = ${value} WHERE ${ROWS[table]}`;
    const said = await decideAround(table, change, before);
    if (typeof then === 'number')
      expect(said).toMatchObject({ allowed: false, refusal: { status: then } });
    else expect(said).toMatchObject({ allowed: true, source: 'asked', principal: then });
  },
);

const ROWS_THAT_GO: [string, string, number, string?][] = [
  ['user_sessions', `DELETE FROM user_sessions WHERE id = :sessionId`, 401],
  ['tenant_staff', `DELETE FROM tenant_staff WHERE id = :staffId`, 401],
  ['users', `DELETE FROM users WHERE id = :userId`, 401],
  ['tenants', `DELETE FROM tenants WHERE id = :tenantId`, 401],
  ['api_keys', `DELETE FROM api_keys WHERE id = :apiKeyId`, 401],
  ['step_up_challenges', `DELETE FROM step_up_challenges WHERE id = :challengeId`, 428],
  ['the first policy', policyOf(30), 428],
  [
    'ip_rule_sets',
    `UPDATE ip_rules SET range = '192.0.2.0/25' WHERE trial AND tenant_id = :tenantId`,
    403,
    TRIED,
  ],
  ['risk_policies', `DELETE FROM risk_policies WHERE tenant_id = :tenantId`, 428, policyOf(900)],
];

it.each(whole(ROWS_THAT_GO))(
  'a row of %s that goes, or comes, is in the next decision',
  async (table, change, status, before) => {
    const named = table === 'the first policy' ? 'risk_policies' : table;
    expect(await decideAround(named, change, before)).toMatchObject({ refusal: { status } });
  },
);

const OF_SERVICE_KEYS: [string, string][] = [
  ['id', OTHER],
  ['scopes', "'{events:write}'"],
  ['addresses', "'{192.0.2.1}'"],
  ['secret_hash', 'sha256(secret_hash)'],
  ['previous_hash', 'sha256(secret_hash)'],
  ['previous_until', PAST],
  ['expires_at', PAST],
  ['revoked_at', 'now()'],
];

it.each(OF_SERVICE_KEYS)('a stream ends when %s of its key changes', async (column, value) => {
  const key = await makeServiceKey(deps, ['introspect']);
  const { body } = await withKey(app, key).get('/api/service/self').expect(200);
  const { id } = body as { id: string };
  const before = `previous_key_id = 'x', previous_hash = sha256(id::text::bytea), previous_until = now() + interval '1 hour'`;
  const stream = await openChangeStream(url, key);
  const set = (text: string) =>
    ask(
      databaseUrl,
      `SET session_replication_role = replica; UPDATE service_keys SET ${text} WHERE id = '${id}'`,
    );
  if (column.startsWith('previous')) {
    await set(before);
    await stream.ended;
    const again = await openChangeStream(url, key);
    await set(`${column} = ${value}`);
    await again.ended;
    return;
  }
  await set(`${column} = ${value}`);
  await stream.ended;
});

it('each column of the watched tables is in these tests, or named as one that decides about nothing', async () => {
  const rows = await ask<{ table: Table | 'service_keys'; columns: string[] }>(
    databaseUrl,
    `SELECT c.relname AS "table", array_agg(a.attname::text ORDER BY a.attnum) AS columns
     FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE c.oid IN (SELECT tgrelid FROM pg_trigger WHERE tgfoid = 'access_changes_record'::regproc AND tgenabled = 'A')
     GROUP BY c.relname`,
  );
  const tested = [
    ...CASES.map(([column]) => column),
    ...OF_SERVICE_KEYS.map(([column]) => `service_keys.${column}`),
  ];
  const named = (table: Table | 'service_keys', columns: readonly string[]) =>
    columns.map((column) => `${table}.${column}`);
  const unused = Object.entries(UNUSED).flatMap(([table, columns]) =>
    named(table as Table, columns.split(/\s+/)),
  );
  const all = rows.flatMap(({ table, columns }) => named(table, columns));
  expect([...tested, ...unused].sort()).toEqual(all.sort());
});
