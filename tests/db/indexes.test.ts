import { sql } from 'drizzle-orm';
import { Client } from 'pg';
import type { Express } from 'express';
import request from 'supertest';
import { runMaintenance } from '@/server/bootstrap/maintenance';
import { db } from '@/server/db';
import { tagId } from '@/server/taggedId';
import { DEFAULT_POLICY } from '@/server/security/risk/riskPolicy';
import { replacePasswords } from '../helpers/http/replacePasswords';
import { startMailServer } from '../helpers/mail/mailServer';
import { withConnection } from '../helpers/database/askDatabase';
import { askForProof } from '../helpers/stepUp/askForProof';
import { cookieOf, login, logout, me, refresh } from '../helpers/http/authCalls';
import { GROWING_TABLES } from '../helpers/database/growingTables';
import { decideTogether } from '../helpers/people/fourEyes';
import { manageMembers, seedAdministrator } from '../helpers/people/administrator';
import { BUILT_IN_PERMISSIONS } from '@/server/permissions';
import {
  GOOD_PASSWORD,
  INVITATIONS,
  accept,
  inviteByLink,
  newAddress,
  tokenOf,
} from '@/tests/helpers/people/invitationCalls';
import { as } from '@/tests/helpers/people/officer';
import { makeApiKey, withKey } from '@/tests/helpers/people/programs';
import { seedTestUserAndToken } from '../helpers/seedAuth';
import { codeAt, giveFactor } from '../helpers/stepUp/secondFactor';
import { quotas } from '../helpers/server/limitedNode';
import { buildApp } from '../helpers/server/testApp';

const databaseUrl = () => process.env['DATABASE_URL'] ?? '';

/**
 * Inserts 200 members of 20 tenants, with 20 000 rows in each table that grows with every login.
 */
async function fillTables(): Promise<void> {
  const owner = `st.tenant_id, st.user_id, st.id`;
  const members = `FROM tenant_staff st JOIN users u ON u.id = st.user_id AND u.email LIKE 'many-%'`;
  const recent = `now() - make_interval(secs => n * 1000)`;
  const times = `${recent}, now() + make_interval(days => n % 30)`;
  await withConnection(databaseUrl(), async (client) => {
    await client.query(
      `INSERT INTO tenants (slug, name) SELECT 'many-' || n, 'Many' FROM generate_series(1, 20) n`,
    );
    await client.query(
      `INSERT INTO users (email, password_hash) SELECT 'many-' || n || '@example.com', ''
       FROM generate_series(1, 2000) n`,
    );
    await client.query(
      `INSERT INTO tenant_staff (tenant_id, user_id)
       SELECT t.id, u.id FROM (SELECT id, row_number() OVER () AS n FROM users) u
       JOIN (SELECT id, row_number() OVER () AS n FROM tenants WHERE slug LIKE 'many-%') t
         ON t.n = u.n % 20 + 1
       ON CONFLICT DO NOTHING`,
    );
    await client.query(
      `INSERT INTO user_sessions (tenant_id, user_id, staff_id, created_at, expires_at)
       SELECT ${owner}, ${times} ${members}, generate_series(1, 10) n`,
    );
    await client.query(
      `INSERT INTO refresh_tokens (token_hash, tenant_id, user_id, staff_id, session_id, family_id, created_at, expires_at, revoked_at, is_revoked)
       SELECT gen_random_uuid(), s.tenant_id, s.user_id, s.staff_id, s.id, CASE n WHEN 1 THEN NULL ELSE gen_random_uuid() END,
         s.created_at, s.expires_at, CASE n WHEN 1 THEN now() END, n = 1
       FROM user_sessions s, generate_series(1, 2) n`,
    );
    await client.query(
      `INSERT INTO audit_logs (tenant_id, occurred_at, action, outcome, actor, correlation_id)
       SELECT st.tenant_id, ${recent}, 'AUTH_TOKEN_REFRESH', 'success', st.id, 'many' ${members}, generate_series(1, 10) n`,
    );
    await client.query(
      `INSERT INTO known_devices (tenant_id, user_id, staff_id, device_hash, last_seen_at)
       SELECT ${owner}, gen_random_uuid(), ${recent} ${members}, generate_series(1, 10) n`,
    );
    await client.query(
      `INSERT INTO known_countries (tenant_id, user_id, staff_id, country)
       SELECT ${owner}, chr(64 + n) || 'X' ${members}, generate_series(1, 10) n`,
    );
    await client.query(
      `INSERT INTO known_networks (tenant_id, user_id, staff_id, network)
       SELECT ${owner}, 'AS' || n ${members}, generate_series(1, 10) n`,
    );
    await client.query(
      `INSERT INTO staff_habits (tenant_id, user_id, staff_id) SELECT ${owner} ${members}`,
    );
    await client.query(
      `INSERT INTO risk_decisions (id, tenant_id, staff_id, at, occurred_at, score, reasons, seen, signals, decision, outcome, spent_us, correlation_id)
       SELECT gen_random_uuid(), st.tenant_id, st.id, 'refresh', ${recent}, 0, '{}', CASE WHEN n > 8 THEN 'NEW_DEVICE' ELSE '' END,
         '[]', 'allow', 'allowed', 1, 'many' ${members}, generate_series(1, 10) n`,
    );
    await client.query(
      `INSERT INTO recovery_codes (tenant_id, user_id, staff_id, code_hash)
       SELECT ${owner}, n ${members}, generate_series(1, 10) n`,
    );
    await client.query(
      `INSERT INTO passkeys (tenant_id, user_id, staff_id, name, credential_id, public_key, transports, backed_up)
       SELECT ${owner}, 'Key', gen_random_uuid(), '', '{}', false ${members}`,
    );
    await client.query(
      `INSERT INTO user_totp (tenant_id, user_id, staff_id, secret_sealed, confirmed_at)
       SELECT ${owner}, '', now() ${members}, generate_series(1, 2) n`,
    );
    await client.query(
      `INSERT INTO step_up_challenges (tenant_id, user_id, staff_id, session_id, origin, purpose, created_at, expires_at, verified_at)
       SELECT s.tenant_id, s.user_id, s.staff_id, s.id, 'session', 'data_export', s.created_at, s.created_at + interval '10 minutes', s.created_at
       FROM user_sessions s`,
    );
    await client.query(
      `INSERT INTO approval_requests (tenant_id, kind, change, requester_staff_id, requester_user_id, created_at, expires_at)
       SELECT st.tenant_id, 'policy', '{}', st.id, st.user_id, ${times} ${members}, generate_series(1, 10) n`,
    );
    await client.query(
      `INSERT INTO email_changes (tenant_id, user_id, staff_id, from_email, to_email, created_at, expires_at)
       SELECT ${owner}, 'a@example.com', 'b@example.com', ${times} ${members}, generate_series(1, 10) n`,
    );
    await client.query(
      `INSERT INTO invitations (tenant_id, link_id, email, delivery, created_at, expires_at)
       SELECT st.tenant_id, gen_random_uuid(), gen_random_uuid() || '@example.com', 'link', ${times} ${members}, generate_series(1, 5) n`,
    );
    await client.query(
      `INSERT INTO api_keys (tenant_id, user_id, staff_id, name, secret_hash, previous_hash, previous_key_id, previous_until, key_id, created_at, expires_at)
       SELECT ${owner}, n, sha256((st.id || '-' || n)::bytea), sha256((st.id || '+' || n)::bytea), 'x', now(), 'x', ${times} ${members}, generate_series(1, 10) n`,
    );
    await client.query(
      `INSERT INTO failed_attempts (scope, subject, failures)
       SELECT 'account', gen_random_uuid(), 1 FROM generate_series(1, 20000)`,
    );
    await client.query(
      `INSERT INTO audit_checkpoints (log_id, size, root_hash, note)
       SELECT t.id, n, '', '' FROM tenants t, generate_series(100000, 101000) n`,
    );
    await client.query(
      `INSERT INTO password_resets (user_id, expires_at)
       SELECT id, now() FROM users WHERE email LIKE 'many-%'`,
    );
    await client.query(
      `INSERT INTO rate_limits (scope, subject, tokens, asked, granted, refills_at)
       SELECT 'account', gen_random_uuid(), 1, 1, 1, now() FROM generate_series(1, 20000)`,
    );
    await client.query('ANALYZE');
  });
}

interface Statement {
  /** Set for a prepared statement, which Postgres may plan once for all values. */
  name: string | undefined;
  text: string;
  values: unknown[];
}

/** Returns every statement that any connection sends while `work` runs, as the driver gets it. */
async function collectStatements(work: () => Promise<void>): Promise<Statement[]> {
  const seen = new Map<string, Statement>();
  const real = Client.prototype.query as (...args: unknown[]) => unknown;
  Client.prototype.query = function (this: Client, ...args: unknown[]) {
    const [first, second] = args;
    const given = (typeof first === 'string' ? { text: first } : first) as Partial<Statement>;
    const values = given.values ?? (Array.isArray(second) ? (second as unknown[]) : []);
    if (given.text !== undefined)
      seen.set(given.text, { name: given.name, text: given.text, values });
    return real.apply(this, args);
  } as typeof Client.prototype.query;
  try {
    await work();
  } finally {
    Client.prototype.query = real as typeof Client.prototype.query;
  }
  return [...seen.values()].filter(({ text }) =>
    /^\s*(with|select|insert|update|delete)\b/i.test(text),
  );
}

interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  Plans?: PlanNode[];
}

const scansOf = (node: PlanNode): string[] => [
  ...(node['Node Type'] === 'Seq Scan' ? [node['Relation Name'] ?? ''] : []),
  ...(node.Plans ?? []).flatMap(scansOf),
];

/**
 * Returns the tables that a statement scans completely, with these values; for a prepared one also
 * with any values.
 */
async function seqScans(client: Client, { name, text, values }: Statement): Promise<string[]> {
  const explain = async (statement: string, parameters?: unknown[]) => {
    const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
      `EXPLAIN (FORMAT JSON) ${statement}`,
      parameters,
    );
    return scansOf((rows[0] as (typeof rows)[number])['QUERY PLAN'][0].Plan);
  };
  const scans = await explain(text, values);
  if (name !== undefined) {
    // Postgres 14 and 15 do not know EXPLAIN (GENERIC_PLAN).
    await client.query(`SET plan_cache_mode = force_generic_plan; PREPARE anything AS ${text}`);
    const nothing = values.map(() => 'NULL').join(', ');
    scans.push(
      ...(await explain(values.length > 0 ? `EXECUTE anything(${nothing})` : 'EXECUTE anything')),
    );
    await client.query('DEALLOCATE anything; RESET plan_cache_mode');
  }
  return [...new Set(scans)].filter((table) => GROWING_TABLES.includes(table));
}

const post = (app: Express, path: string, token: string, body: object) =>
  request(app).post(path).set('authorization', `Bearer ${token}`).send(body);

/** Makes the requests of officers and of careful people. */
async function manageRisk(app: Express, token: string): Promise<void> {
  const list = (query: string) =>
    request(app)
      .get(`/api/security/risk-decisions${query}`)
      .set('authorization', `Bearer ${token}`)
      .expect(200);
  const { body } = await list('?limit=1');
  const [{ id, staffId }] = body.decisions as [{ id: string; staffId: string }];
  await list(`?limit=1&cursor=${String(body.nextCursor)}`);
  await list(`?staffId=${staffId}`);
  await request(app)
    .put(`/api/security/risk-decisions/${id}/verdict`)
    .set('authorization', `Bearer ${token}`)
    .send({ verdict: 'legitimate' })
    .expect(200);
  const policy = { policy: DEFAULT_POLICY };
  await post(app, '/api/security/policy/simulate', token, policy).expect(200);
  const proposed = { policy: { ...DEFAULT_POLICY, stepUpFrom: 1 } };
  await post(app, '/api/security/policy/simulate', token, proposed).expect(200);
  // Bypasses the gate, because a real proof would need a second code in the same time step.
  const rule = { action: 'deny', appliesTo: 'api_keys', range: '192.0.2.1' };
  await post(app, '/api/security/ip-rules', token, rule)
    .set('x-stepup-test-bypass', '1')
    .expect(200);
  await post(app, '/api/security/ip-rules/simulate', token, { rules: [] }).expect(200);
  const { body: made } = await post(app, '/api/security/recovery-codes', token, {})
    .set('x-stepup-test-bypass', '1')
    .expect(200);
  const [code] = made.codes as string[];
  const proof = { code, purpose: 'security_settings' };
  await askForProof(app, token, 'security_settings');
  await post(app, '/api/security/step-up/verify', token, proof).expect(200);
  await request(app)
    .get('/api/security/factors')
    .set('authorization', `Bearer ${token}`)
    .expect(200);
}

/** Makes the requests of auditors, including proofs. */
async function readLog({ app, deps }: ReturnType<typeof buildApp>, token: string): Promise<void> {
  await deps.sealer.sealNow();
  const read = async (path: string) => {
    const res = await request(app)
      .get(`/api/compliance/${path}`)
      .set('authorization', `Bearer ${token}`)
      .expect(200);
    return res.body as { events: [{ id: string }]; nextCursor: string };
  };
  const { events, nextCursor } = await read('audit-logs?limit=1');
  await read(`audit-logs?limit=1&cursor=${nextCursor}`);
  await read(`audit-logs/${events[0].id}`);
  await read(`audit-logs/${events[0].id}/proof`);
  for (const path of ['checkpoints', 'checkpoints/latest', 'consistency?from=1']) await read(path);
}

/** Makes the requests of people who look after their own account. */
async function manageProfile(app: Express, token: string): Promise<void> {
  const bearer = { authorization: `Bearer ${token}`, 'x-stepup-test-bypass': '1' };
  await request(app).put('/api/auth/me').set(bearer).send({ name: 'Zoë' }).expect(200);
  const page = await request(app).get('/api/auth/me/events?limit=1').set(bearer).expect(200);
  const { nextCursor } = page.body as { nextCursor: string };
  await request(app).get(`/api/auth/me/events?cursor=${nextCursor}`).set(bearer).expect(200);
  await request(app).post('/api/auth/me/data').set(bearer).expect(200);
  const email = 'new@elsewhere.example';
  const currentPassword = 'a long enough password';
  await request(app)
    .post('/api/auth/email')
    .set(bearer)
    .send({ email, currentPassword })
    .expect(202);
}

/** Confirms the pending change of address of a person. */
async function confirmAddress({ app, deps }: ReturnType<typeof buildApp>, userId: string) {
  const { rows } = await db.execute<{ id: string }>(
    sql`SELECT id FROM email_changes WHERE user_id = ${userId} AND ended_at IS NULL`,
  );
  const kind = { purpose: 'email-change', prefix: 'emc_' } as const;
  const path = `/api/auth/email/${tagId(deps.keys, kind, rows[0]?.id ?? '')}`;
  await request(app).get(path).expect(200);
  await request(app).post(path).expect(200);
}

/** Makes the requests of users during a day, and those that end sessions. */
async function invite(app: Express, token: string): Promise<void> {
  const administrator = as(app, { token });
  const { id } = await inviteByLink(app, { token });
  await administrator.get(INVITATIONS).expect(200);
  await administrator.get(`${INVITATIONS}?status=open&limit=1`).expect(200);
  await administrator.get(`${INVITATIONS}/${id}`).expect(200);
  const sent = await administrator.post(`${INVITATIONS}/${id}/resend`, {});
  const link = tokenOf(String(sent.body.link));
  await request(app).get(`/api/invitations/${link}`).expect(200);
  const body = { password: GOOD_PASSWORD, code: '000000' };
  expect((await accept(app, link, body)).status).toBe(403);
  await administrator.del(`${INVITATIONS}/${id}`).expect(204);
  const joiner = await seedTestUserAndToken({ email: newAddress() });
  const { token: another } = await inviteByLink(app, { token }, { email: joiner.email });
  expect((await accept(app, another, {}, joiner.token)).status).toBe(200);
}

/** Makes the requests of somebody who manages API keys, and of their program. */
async function useKeys({ app, deps }: ReturnType<typeof buildApp>): Promise<void> {
  const admin = await seedAdministrator();
  const { id, key } = await makeApiKey(app, admin);
  await withKey(app, key).get('/api/tenants/current').expect(200);
  await deps.tenantKeys.settle();
  const path = `/api/tenants/api-keys`;
  for (const status of ['live', 'expired', 'revoked']) {
    await as(app, admin).get(`${path}?status=${status}&holder=${admin.staffId}`).expect(200);
  }
  await as(app, admin).put(`${path}/${id}`, { name: 'Another' }).expect(200);
  await as(app, admin).post(`${path}/${id}/rotate`, {}).expect(200);
  await as(app, admin).del(`${path}/${id}`).expect(204);
}

async function walkThrough(node: ReturnType<typeof buildApp>): Promise<void> {
  const { app } = node;
  const permissions = [...BUILT_IN_PERMISSIONS];
  const who = await seedTestUserAndToken({ permissions });
  const secret = await giveFactor(who);
  await login(app, { ...who, password: 'wrong' });
  const first = await login(app, who);
  const cookie = { cookie: cookieOf(first, 'gh_device') };
  const { accessToken, refreshToken } = (await login(app, who, cookie)).body;
  expect((await me(app, accessToken)).status).toBe(200);
  const listed = await request(app)
    .get('/api/auth/sessions')
    .set('authorization', `Bearer ${accessToken}`);
  expect(listed.body.sessions).toHaveLength(3);
  await request(app)
    .delete(`/api/auth/sessions/${first.body.sessionId}`)
    .set('authorization', `Bearer ${accessToken}`)
    .expect(204);
  const code = codeAt(secret, new Date());
  const proof = { code, purpose: 'security_settings' };
  await post(app, '/api/security/totp/enroll', accessToken, {}).expect(428);
  await post(app, '/api/security/step-up/verify', accessToken, proof).expect(200);
  await post(app, '/api/security/totp/enroll', accessToken, {}).expect(200);
  await manageMembers(app);
  await useKeys(node);
  await manageRisk(app, accessToken);
  await invite(app, accessToken);
  await decideTogether(app);
  await readLog(node, accessToken);
  await replacePasswords(node);
  const second = await refresh(app, refreshToken);
  expect(second.status).toBe(200);
  // A replay: the whole family and all sessions of the staff member end.
  expect((await refresh(app, refreshToken)).body.error).toBe('FORCE_LOGOUT');
  const third = (await login(app, who)).body;
  expect((await logout(app, third.accessToken)).status).toBe(204);
  const fourth = (await login(app, who)).body;
  await manageProfile(app, fourth.accessToken);
  await confirmAddress(node, who.userId);
  await post(app, '/api/auth/logout-all', fourth.accessToken, {}).expect(204);
}

/** Purges something from each table. */
async function purge({ deps }: ReturnType<typeof buildApp>): Promise<void> {
  const { sessionId } = await seedTestUserAndToken();
  const long = sql`now() - interval '100 days'`;
  await db.execute(sql`UPDATE user_sessions SET expires_at = ${long} WHERE id = ${sessionId}`);
  await runMaintenance(deps);
}

describe('with tens of thousands of rows', () => {
  it('no statement of a login, a request, a refresh, a step-up, a logout, of looking after them, of a purge or of reading the log reads a whole table', async () => {
    await fillTables();
    const { smtp, from } = (await startMailServer()).settings();
    const mail = { smtp, from, publicUrl: 'https://id.example' };
    const node = buildApp({ mail, ...quotas({ address: 1000, account: 1000, tenant: 1000 }) });
    await node.deps.sealer.sealNow(120_000);
    await withConnection(databaseUrl(), (client) => client.query('ANALYZE'));
    const statements = await collectStatements(async () => {
      await walkThrough(node);
      await purge(node);
    });
    const unused = GROWING_TABLES.filter(
      (table) => !statements.some(({ text }) => text.includes(table)),
    ).map((table) => `${table}: use it in walkThrough in tests/db/indexes.test.ts`);
    expect(unused).toEqual([]);
    const slow = await withConnection(databaseUrl(), async (client) => {
      const found: { tables: string[]; text: string }[] = [];
      for (const statement of statements) {
        const tables = await seqScans(client, statement);
        if (tables.length > 0) found.push({ tables, text: statement.text });
      }
      return found;
    });
    expect(slow).toStrictEqual([]);
  });
});

describe('the indexes that statements are written for', () => {
  it.each([
    [
      'idx_refresh_tokens_active',
      'CREATE INDEX idx_refresh_tokens_active ON public.refresh_tokens USING btree (tenant_id, user_id, expires_at) WHERE ((revoked_at IS NULL) AND (is_revoked = false))',
    ],
    [
      'idx_user_sessions_tenant_user',
      'CREATE INDEX idx_user_sessions_tenant_user ON public.user_sessions USING btree (tenant_id, user_id)',
    ],
    [
      'idx_user_sessions_staff',
      'CREATE INDEX idx_user_sessions_staff ON public.user_sessions USING btree (staff_id)',
    ],
    [
      'idx_audit_logs_tenant_time',
      'CREATE INDEX idx_audit_logs_tenant_time ON public.audit_logs USING btree (tenant_id, occurred_at, id)',
    ],
    [
      'refresh_tokens_token_hash_unique',
      'CREATE UNIQUE INDEX refresh_tokens_token_hash_unique ON public.refresh_tokens USING btree (token_hash)',
    ],
  ])('%s is there, column by column', async (name, definition) => {
    const { rows } = await db.execute<{ indexdef: string }>(
      sql`SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexname = ${name}`,
    );
    expect(rows).toStrictEqual([{ indexdef: definition }]);
  });
});
