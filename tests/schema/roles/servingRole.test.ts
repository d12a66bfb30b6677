import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import request from 'supertest';
import { inspectSchema } from '@/server/schema/guard/inspectSchema';
import { sql } from 'drizzle-orm';
import { runMaintenance } from '@/server/bootstrap/maintenance';
import { grantServing } from '@/server/schema/roles/servingRole';
import { fileSink } from '@/server/config/checkpointSettings';
import { loadConfig } from '@/server/config';
import { db } from '@/server/db';
import { createLogger } from '@/server/logger';
import { askForProof } from '@/tests/helpers/stepUp/askForProof';
import { ask, withConnection } from '@/tests/helpers/database/askDatabase';
import { login, refresh } from '@/tests/helpers/http/authCalls';
import { standing, thisDatabase, untilDelivered } from '@/tests/helpers/evidence/checkpoints';
import { mailsOf } from '@/tests/helpers/mail/mailRows';
import { startMailServer } from '@/tests/helpers/mail/mailServer';
import { as, policyWith, seedOfficer } from '@/tests/helpers/people/officer';
import { codeAt, giveFactor } from '@/tests/helpers/stepUp/secondFactor';
import { createServingRole } from '@/tests/helpers/database/createServingRole';
import { servingRole } from '@/tests/helpers/database/testDatabase';
import { buildApp } from '@/tests/helpers/server/testApp';

type Role = Awaited<ReturnType<typeof createServingRole>>;
let role: Role;

beforeAll(async () => {
  role = await createServingRole(thisDatabase());
  await grantServing(thisDatabase(), role.name);
});

const asRole = (text: string) => ask(role.url, text);

/** Builds an application that connects as the role, and collects its log. */
function serve(settings: Parameters<typeof buildApp>[0] = {}) {
  const written: string[] = [];
  const stream = { write: (line: string) => void written.push(line) };
  const logger = createLogger({ logLevel: 'warn' }, stream);
  const built = buildApp(
    { databaseUrl: role.url, schemaKnownRoles: [role.name, servingRole()], ...settings },
    { logger },
  );
  return { ...built, log: () => written.join('') };
}

describe('the role that serves', () => {
  it('can do all that the server does, and nothing is refused it on the way', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-heads-'));
    const file = fileSink(join(folder, 'heads'));
    const server = await startMailServer();
    const { app, deps, log } = serve({
      mail: server.settings(),
      checkpoints: { file, webhook: undefined },
    });
    expect((await deps.schemaGuard.start())?.differences).toStrictEqual([]);
    deps.broadcast.start();
    deps.mail.start();
    deps.sealer.start();
    deps.deliverer.start();
    const officer = await seedOfficer();
    const { email, password } = officer;
    expect((await login(app, { email, password: 'not this one, surely' })).status).toBe(401);
    const first = await login(app, { email, password });
    expect(first.status).toBe(200);
    expect((await refresh(app, first.body.refreshToken)).status).toBe(200);
    // A spent token comes back, so the chain and every session end.
    expect((await refresh(app, first.body.refreshToken)).status).toBe(401);

    const again = await login(app, { email, password });
    const member = as(app, { token: again.body.accessToken });
    const secret = await giveFactor(officer);
    const bearer = `Bearer ${again.body.accessToken}`;
    const code = codeAt(secret, deps.clock.now());
    await askForProof(app, again.body.accessToken as string, 'data_export');
    const verify = request(app).post('/api/security/step-up/verify').set('authorization', bearer);
    expect((await verify.send({ code, purpose: 'data_export' })).status).toBe(200);
    const policy = { version: 0, policy: policyWith({ stepUpFrom: 50 }) };
    expect((await member.put('/api/security/policy', policy)).status).toBe(200);
    expect((await member.post('/api/security/recovery-codes', {})).status).toBe(200);
    const range = { from: '2026-01-01', to: '2026-12-31', format: 'json' };
    const bundle = await member.post('/api/compliance/export/bundle', range);
    expect(bundle.status).toBe(200);
    expect(bundle.headers['content-type']).toContain('zip');

    const { sessionId } = first.body;
    await db.execute(
      sql`UPDATE user_sessions SET expires_at = now() - interval '100 days' WHERE id = ${sessionId}`,
    );
    await runMaintenance(deps);
    const { rows: moved } = await db.execute(sql`SELECT id FROM session_history`);
    expect(moved).toStrictEqual([{ id: sessionId }]);
    await deps.riskDecisions.flush();
    await deps.mail.settle();
    expect((await mailsOf(officer)).every(({ sentAt }) => sentAt !== null)).toBe(true);
    expect(server.received.length).toBeGreaterThan(0);
    await deps.sealer.sealNow();
    await untilDelivered(file.sink);
    expect(await standing(file.sink)).toMatchObject({ failures: 0 });
    expect(readFileSync(file.path, 'utf8')).toContain(`gatehouse/${officer.tenantId}\n`);
    const { rows } = await db.execute(`SELECT count(*)::int AS decisions FROM risk_decisions`);
    expect(rows[0]?.['decisions']).toBeGreaterThan(0);
    expect((await request(app).get('/health/ready')).status).toBe(200);
    const failures = await deps.metrics.backgroundFailures.get();
    expect(failures.values).toStrictEqual([]);
    expect(log()).not.toMatch(/permission denied|"fault"/);
    rmSync(folder, { recursive: true });
  });

  it.each([
    ...[
      ['audit_logs', 'actor'],
      ['audit_leaves', 'log_id'],
      ['audit_nodes', 'log_id'],
      ['audit_checkpoints', 'log_id'],
      ['evidence_keys', 'public_key'],
      ['session_history', 'revoked_at'],
      ['token_history', 'revoked_at'],
      ['step_up_history', 'verified_at'],
    ].flatMap(([table, column]) => [
      `UPDATE ${table} SET ${column} = NULL`,
      `DELETE FROM ${table} WHERE false`,
      `TRUNCATE ${table}`,
      `SELECT 1 FROM ${table} FOR UPDATE`,
      `BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`,
      `ALTER TABLE ${table} DISABLE TRIGGER ALL`,
      `DROP TABLE ${table}`,
    ]),
    'DELETE FROM audit_trees',
    'TRUNCATE audit_trees',
    'DELETE FROM audit_sealer',
    'DROP TRIGGER audit_logs_append_only ON audit_logs',
    'CREATE TRIGGER mine BEFORE INSERT ON audit_logs FOR EACH ROW EXECUTE FUNCTION audit_logs_set_transaction()',
    'CREATE RULE mine AS ON INSERT TO audit_logs DO INSTEAD NOTHING',
    'DROP FUNCTION audit_logs_refuse_change() CASCADE',
    `CREATE OR REPLACE FUNCTION audit_logs_refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
    'SET session_replication_role = replica',
    'ALTER ROLE CURRENT_USER SET session_replication_role = replica',
    'ALTER SEQUENCE audit_checkpoints_id_seq RESTART',
    `SELECT setval('audit_checkpoints_id_seq', 1)`,
    'CREATE TABLE mine (id int)',
    'TRUNCATE users',
    'DROP TABLE mails',
    'DELETE FROM drizzle.__drizzle_migrations',
    `INSERT INTO drizzle.__drizzle_migrations (hash) VALUES ('x')`,
    'DROP SCHEMA public CASCADE',
  ])('is refused %s', async (statement) => {
    await expect(asRole(statement)).rejects.toMatchObject({
      code: '42501',
    });
  });

  it('leaves the schema guard content where it is known by name, and only there', async () => {
    const { migrationsDir } = loadConfig();
    const look = (knownRoles: string[]) =>
      inspectSchema({ databaseUrl: role.url, migrationsDir, knownRoles });
    expect((await look([role.name, servingRole()])).differences).toStrictEqual([]);
    expect((await look([])).differences.length).toBeGreaterThan(20);
  });

  it.each([
    ['a table', 'UPDATE', 'table public.audit_logs'],
    ['a table', 'TRUNCATE', 'table public.audit_leaves'],
    ['a column', 'UPDATE (actor)', 'column public.audit_logs.actor'],
  ])('is a finding where it could change evidence, by %s: %s', async (_what, privilege, on) => {
    const { migrationsDir } = loadConfig();
    const table = on.replace(/^\w+ public\.(\w+).*/, '$1');
    await ask(thisDatabase(), `GRANT ${privilege} ON ${table} TO ${role.quoted}`);
    const options = {
      databaseUrl: thisDatabase(),
      migrationsDir,
      knownRoles: [role.name, servingRole()],
    };
    const { differences } = await inspectSchema(options);
    expect(differences).toMatchObject([{ object: `grant ${on} to ${role.name}` }]);
    // A new grant revokes it.
    await grantServing(thisDatabase(), role.name);
    expect((await inspectSchema(options)).differences).toStrictEqual([]);
  });
});

describe('granting', () => {
  const privileges = () =>
    ask(
      thisDatabase(),
      `SELECT c.relname, c.relacl::text AS acl FROM pg_class c
       WHERE relnamespace IN ('public'::regnamespace, 'drizzle'::regnamespace) ORDER BY 1`,
    );

  it('again changes nothing', async () => {
    const before = await privileges();
    await grantServing(thisDatabase(), role.name);
    expect(await privileges()).toStrictEqual(before);
  });

  it('takes what was given beyond it', async () => {
    const before = await privileges();
    await ask(
      thisDatabase(),
      `GRANT ALL ON ALL TABLES IN SCHEMA public, drizzle TO ${role.quoted};
       GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO ${role.quoted}`,
    );
    await grantServing(thisDatabase(), role.name);
    expect(await privileges()).toStrictEqual(before);
  });

  it.each([
    [
      'a superuser',
      'SUPERUSER',
      /could undo the audit log: it is a superuser\. No grant holds that back/,
    ],
    [
      'who makes roles',
      'CREATEROLE',
      /it may make roles, and so give itself the rights of another\./,
    ],
  ])('is refused %s', async (_who, attributes, sentence) => {
    const other = await createServingRole(thisDatabase(), attributes);
    await expect(grantServing(thisDatabase(), other.name)).rejects.toThrow(sentence);
  });

  it.each([
    ['PUBLIC', /^PUBLIC is no role of yours/],
    ['Public', /^Public is no role of yours/],
    ['pg_write_all_data', /^pg_write_all_data is no role of yours/],
    ['CURRENT_USER', /is no role of yours/],
    ['nobody here', /^There is no role 'nobody here'/],
    ['x; DROP TABLE users', /^There is no role/],
  ])('is refused %s', async (name, sentence) => {
    await expect(grantServing(thisDatabase(), name)).rejects.toThrow(sentence);
  });

  it('is refused a member of the role that owns the tables, and one that has more from elsewhere', async () => {
    const [owner] = await ask<{ name: string }>(
      thisDatabase(),
      'SELECT quote_ident(current_user) AS name',
    );
    const member = await createServingRole(thisDatabase());
    await ask(thisDatabase(), `GRANT pg_write_all_data TO ${member.quoted}`);
    await expect(grantServing(thisDatabase(), member.name)).rejects.toThrow(
      /would still have .*UPDATE, DELETE on public\.audit_logs.*Nothing was changed\.$/,
    );
    await ask(
      thisDatabase(),
      `REVOKE pg_write_all_data FROM ${member.quoted}; GRANT ${owner?.name} TO ${member.quoted}`,
    );
    await expect(grantServing(thisDatabase(), member.name)).rejects.toThrow(
      /it is a superuser|it owns, or is a member of the role that owns, the database/,
    );
    await ask(thisDatabase(), `REVOKE ${owner?.name} FROM ${member.quoted}`);
  });

  it('by a role that owns nothing changes nothing', async () => {
    const other = await createServingRole(thisDatabase());
    const before = await privileges();
    await expect(grantServing(role.url, other.name)).rejects.toThrow(
      /permission denied|still lacks/,
    );
    expect(await privileges()).toStrictEqual(before);
  });

  it('tells where the role may switch triggers off', async () => {
    const [server] = await ask<{ version: number }>(
      thisDatabase(),
      `SELECT current_setting('server_version_num')::int AS version`,
    );
    // Postgres 14 has no such privilege. Only superusers can set the parameter there.
    if ((server?.version ?? 0) < 150_000) {
      expect((await grantServing(thisDatabase(), role.name)).warnings).toEqual([]);
      return;
    }
    await ask(thisDatabase(), `GRANT SET ON PARAMETER session_replication_role TO ${role.quoted}`);
    const { warnings } = await grantServing(thisDatabase(), role.name);
    expect(warnings).toEqual([expect.stringContaining('REVOKE SET ON PARAMETER')]);
    await ask(
      thisDatabase(),
      `REVOKE SET ON PARAMETER session_replication_role FROM ${role.quoted}`,
    );
  });

  it('waits for nobody who reads or writes', async () => {
    await withConnection(role.url, async (client) => {
      await client.query('BEGIN');
      await client.query('SELECT 1 FROM audit_logs, users LIMIT 1');
      await client.query('DELETE FROM known_networks');
      await grantServing(thisDatabase(), role.name);
      await client.query('ROLLBACK');
    });
  });
});
