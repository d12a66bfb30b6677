import { randomUUID } from 'node:crypto';
import request from 'supertest';
import { assertGrants, warnOfOwnership } from '@/server/schema/roles/assertGrants';
import { grantServing } from '@/server/schema/roles/servingRole';
import { loadConfig, requireReady } from '@/server/config';
import { createLogger } from '@/server/logger';
import { ask } from '@/tests/helpers/database/askDatabase';
import { thisDatabase } from '@/tests/helpers/evidence/checkpoints';
import { downloadEvidence, utcToday } from '@/tests/helpers/evidence/evidenceBundle';
import { seedOfficer } from '@/tests/helpers/people/officer';
import { externalEnv, killServers, startServer } from '@/tests/helpers/server/serverProcess';
import { createServingRole } from '@/tests/helpers/database/createServingRole';
import { buildApp } from '@/tests/helpers/server/testApp';

afterEach(killServers);

const ready = requireReady(loadConfig());
const today = { from: utcToday(), to: utcToday(), format: 'csv' };

/** Runs the first step of a start in production: the check of the server's role. */
async function look(url: string, settings: Partial<typeof ready> = {}) {
  const lines: string[] = [];
  const logger = createLogger({ logLevel: 'warn' }, { write: (line) => void lines.push(line) });
  const production = { ...ready, production: true, schemaGuard: 'enforce' as const };
  const checked = { ...production, databaseUrl: url, ...settings };
  warnOfOwnership(logger, await assertGrants(checked, logger));
  return lines.join('');
}

async function ownerOf(what: string): Promise<string> {
  const [row] = await ask<{ owner: string }>(
    thisDatabase(),
    `SELECT quote_ident(${what}) AS owner`,
  );
  return row?.owner ?? '';
}

/** Each entry gives a role one way, with the phrase that reports it. */
const WAYS: [string, (role: string) => string, RegExp][] = [
  [
    'owns the database',
    (role) =>
      `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO ${role}', current_database()); END $$`,
    /owns, or is a member of the role that owns, the database /,
  ],
  [
    'owns schema public',
    (role) => `ALTER SCHEMA public OWNER TO ${role}`,
    /owns, or is a member of the role that owns, the schema public/,
  ],
  [
    'owns one table, and so its triggers',
    (role) => `ALTER TABLE audit_logs OWNER TO ${role}`,
    /the table audit_logs/,
  ],
  [
    'owns the function of a trigger',
    (role) => `ALTER FUNCTION audit_logs_refuse_change() OWNER TO ${role}`,
    /the function audit_logs_refuse_change/,
  ],
  [
    'owns the record of migrations',
    (role) => `ALTER SCHEMA drizzle OWNER TO ${role}`,
    /the schema drizzle/,
  ],
  ['is a superuser', (role) => `ALTER ROLE ${role} SUPERUSER`, /it is a superuser/],
  ['may make roles', (role) => `ALTER ROLE ${role} CREATEROLE`, /it may make roles/],
  [
    'may write files on the server',
    (role) => `GRANT pg_write_server_files TO ${role}`,
    /may write files or run programs/,
  ],
];

/** Creates a role with all that the server needs, and one additional way. */
async function roleWith(way: (role: string) => string) {
  const role = await createServingRole(thisDatabase());
  await grantServing(thisDatabase(), role.name);
  await ask(thisDatabase(), way(role.quoted));
  return role;
}

/** Returns the objects of a role to their owner, because other tests go on with this database. */
async function giveBack(role: { quoted: string }) {
  const me = await ownerOf('current_user');
  await ask(thisDatabase(), `REASSIGN OWNED BY ${role.quoted} TO ${me}`);
  await ask(thisDatabase(), `ALTER ROLE ${role.quoted} NOSUPERUSER NOCREATEROLE`);
}

describe('in production a role that could undo the audit log', () => {
  it.each(WAYS)('is refused at the start and by db grant if it %s', async (_what, way, phrase) => {
    const role = await roleWith(way);
    try {
      await expect(look(role.url)).rejects.toThrow(phrase);
      await expect(grantServing(thisDatabase(), role.name)).rejects.toThrow(phrase);
      // Outside production, or if the operator allows it, the server logs it and goes on.
      expect(await look(role.url, { production: false })).toMatch(phrase);
      expect(await look(role.url, { allowOwnerRole: true })).toContain('SERVING_ROLE_OWNS');
    } finally {
      await giveBack(role);
    }
  });

  it('is refused as well if it is a member of the owner, without inheriting its rights', async () => {
    const owner = await createServingRole(thisDatabase());
    const member = await createServingRole(thisDatabase(), 'NOINHERIT');
    await grantServing(thisDatabase(), member.name);
    await ask(
      thisDatabase(),
      `ALTER TABLE audit_leaves OWNER TO ${owner.quoted}; GRANT ${owner.quoted} TO ${member.quoted}`,
    );
    try {
      await expect(look(member.url)).rejects.toThrow(/member of the role that owns, the table/);
    } finally {
      await giveBack(owner);
    }
  });

  it.each([
    ['has BYPASSRLS', (role: string) => `ALTER ROLE ${role} BYPASSRLS`],
    [
      'is a member of a role with BYPASSRLS',
      (role: string) => `CREATE ROLE "sees all of ${randomUUID()}" BYPASSRLS ROLE ${role}`,
    ],
  ])(
    'and one that %s are refused, because row-level security would not bind it',
    async (_what, way) => {
      const role = await roleWith(way);
      await expect(look(role.url)).rejects.toThrow(
        /BYPASSRLS, .* so row-level security does not bind it/,
      );
      await expect(grantServing(thisDatabase(), role.name)).rejects.toThrow(/BYPASSRLS/);
      // Outside production, or if the operator allows it, the server logs it and goes on.
      for (const allowed of [{ production: false }, { allowOwnerRole: true }]) {
        expect(await look(role.url, allowed)).toContain('SERVING_ROLE_UNBOUND');
      }
    },
  );

  it('is let through if it owns nothing', async () => {
    const role = await roleWith(() => 'SELECT 1');
    expect(await look(role.url)).not.toContain('SERVING_ROLE_OWNS');
  });
});

describe('a server in production', () => {
  const production = {
    ...externalEnv(),
    NODE_ENV: 'production',
    ARGON2_MEMORY_KIB: '',
    ARGON2_TIME_COST: '',
    MIGRATE_ON_BOOT: 'false',
    SCHEMA_GUARD: 'warn',
    LOG_LEVEL: 'silent',
  };

  it('as the owner ends with 6 and says what to do; with ALLOW_OWNER_ROLE=1 it serves', async () => {
    const refused = startServer(production);
    expect(await refused.exited).toBe(6);
    expect(refused.stderr()).toMatch(/^The role \S+ can undo the audit log: it /);
    expect(refused.stderr()).toMatch(/db grant --role NAME[^]*ALLOW_OWNER_ROLE=1/);
    const url = await startServer({ ...production, ALLOW_OWNER_ROLE: '1' }).url();
    expect((await fetch(`${url}/health/live`)).status).toBe(200);
  });
});

describe('what the operator allowed', () => {
  const settings = { production: true, allowOwnerRole: true, metricsToken: 'a-token' };

  it('stands in readiness, and in the manifest of every bundle', async () => {
    const { app } = buildApp(settings, {}, 'owner');
    const res = await request(app).get('/health/ready').set('authorization', 'Bearer a-token');
    expect(res.status).toBe(200);
    expect(res.body.checks.role).toStrictEqual({
      ok: true,
      findings: [expect.stringMatching(/can undo the audit log: it is a superuser\.$/)],
    });
    const officer = await seedOfficer();
    const { app: exporting } = buildApp({ ...settings, nodeEnv: 'test' }, {}, 'owner');
    const { manifest } = await downloadEvidence(exporting, officer, today);
    expect(manifest.servingRole).toStrictEqual({
      canUndoAuditLog: true,
      ways: ['is a superuser'],
      allowedBy: 'ALLOW_OWNER_ROLE',
    });
  });

  it('stands in readiness too if the role has BYPASSRLS', async () => {
    const role = await roleWith((quoted) => `ALTER ROLE ${quoted} BYPASSRLS`);
    const { app } = buildApp({ ...settings, databaseUrl: role.url });
    const res = await request(app).get('/health/ready').set('authorization', 'Bearer a-token');
    expect(res.body.checks.role).toStrictEqual({
      ok: true,
      findings: [expect.stringMatching(/^The role .* has BYPASSRLS/)],
    });
  });

  it('stands in no bundle of a role that owns nothing', async () => {
    const role = await roleWith(() => 'SELECT 1');
    const { app } = buildApp({ ...settings, databaseUrl: role.url });
    const { manifest } = await downloadEvidence(app, await seedOfficer(), today);
    expect(manifest.servingRole).toStrictEqual({
      canUndoAuditLog: false,
      ways: [],
      allowedBy: null,
    });
  });
});
