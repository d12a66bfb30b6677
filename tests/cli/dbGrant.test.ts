import { ask } from '../helpers/database/askDatabase';
import { thisDatabase } from '../helpers/evidence/checkpoints';
import { operate } from '../helpers/server/operatorCommand';
import { externalEnv, killServers, startServer } from '../helpers/server/serverProcess';
import { createServingRole } from '../helpers/database/createServingRole';
import { servingRole } from '../helpers/database/testDatabase';

afterEach(killServers);

/** The setting that names a role beside that of the other tests' applications. */
const known = (role: string) => `${servingRole()},${role}`;

const grant = (...words: string[]) => operate(externalEnv(), ['db', 'grant', ...words]);

describe('db grant', () => {
  it('gives a role what the server needs, and prints it', async () => {
    const role = await createServingRole(thisDatabase());
    const { code, stdout, stderr } = await grant('--role', role.name);
    expect({ code, stderr }).toStrictEqual({ code: 0, stderr: '' });
    const printed = JSON.parse(stdout);
    expect(printed).toMatchObject({
      role: role.name,
      warnings: [],
      serverNeeds: {
        SCHEMA_KNOWN_ROLES: known(role.name),
        DATABASE_URL: `the same database, with ${role.name} as its user`,
      },
    });
    expect(printed.tables).toMatchObject({
      audit_logs: ['SELECT', 'INSERT'],
      audit_leaves: ['SELECT', 'INSERT'],
      audit_nodes: ['SELECT', 'INSERT'],
      audit_checkpoints: ['SELECT', 'INSERT'],
      evidence_keys: ['SELECT', 'INSERT'],
      session_history: ['SELECT', 'INSERT'],
      audit_trees: ['SELECT', 'INSERT', 'UPDATE'],
      audit_sealer: ['SELECT', 'INSERT', 'UPDATE'],
      checkpoint_deliveries: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
      user_sessions: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
    });
    expect(printed.functions).toContain('public.gatehouse_uuid_v7()');
    expect(printed.functions).toContain('public.gatehouse_named_tenant_keys(hashes bytea[])');
    const env = {
      SCHEMA_KNOWN_ROLES: known(role.name),
      SCHEMA_GUARD: 'enforce',
      MIGRATE_ON_BOOT: 'false',
    };
    const url = await startServer({ ...externalEnv(role.url), ...env }).url();
    expect((await fetch(`${url}/health/ready`)).status).toBe(200);
    // Until the setting names the role, its grants are one finding.
    const check = await operate(externalEnv(), ['db', 'check']);
    const { ok, findings } = JSON.parse(check.stdout);
    expect([check.code, ok, findings.length]).toEqual([1, false, 1]);
    expect(findings[0]).toMatchObject({ problem: 'extra', object: `grants to ${role.name}` });
    expect(findings[0].fix).toContain(`set SCHEMA_KNOWN_ROLES=${known(role.name)} for`);
    expect(findings[0].grants.length).toBeGreaterThan(30);
    const asItself = await operate(externalEnv(role.url), ['db', 'grant', '--role', role.name]);
    expect(asItself).toStrictEqual({
      ...{ code: 1, stdout: '' },
      stderr:
        'Only the role that owns the tables can grant: set DATABASE_URL to connect as that role. Nothing was changed.\n',
    });
  });

  it('and a start in which no setting names the role is refused by one sentence about its grants', async () => {
    const role = await createServingRole(thisDatabase());
    expect((await grant('--role', role.name)).code).toBe(0);
    const settings = { SCHEMA_GUARD: 'enforce', MIGRATE_ON_BOOT: 'false', LOG_LEVEL: 'silent' };
    const server = startServer({ ...externalEnv(role.url), ...settings });
    expect(await server.exited).toBe(5);
    const sentences = server.stderr().trimEnd().split('\n');
    expect(sentences.pop()).toMatch(/^Refusing to start: /);
    // Roles of other tests of this file have grants too.
    const ofRole = /^The role .+ has \d+ grants that no migration makes\. If you know/;
    expect(sentences.filter((sentence) => !ofRole.test(sentence))).toEqual([]);
    const named = `set SCHEMA_KNOWN_ROLES=${known(role.name)} for the server`;
    expect(sentences.filter((sentence) => sentence.includes(named))).toHaveLength(1);
  });

  it.each([
    ['no name', [], /^--role is missing\.$/],
    ['everybody', ['--role', 'public'], /^public is no role of yours/],
    ['nobody', ['--role', 'nobody'], /^There is no role 'nobody'/],
  ])('refuses %s in one sentence', async (_who, words, sentence) => {
    const { code, stdout, stderr } = await grant(...words);
    expect({ code, stdout }).toStrictEqual({ code: 1, stdout: '' });
    expect(stderr.trimEnd()).toMatch(sentence);
  });
});

describe('a server whose role lacks grants', () => {
  const start = (url: string, guard: string, name: string) =>
    startServer({
      ...externalEnv(url),
      SCHEMA_GUARD: guard,
      SCHEMA_KNOWN_ROLES: known(name),
      MIGRATE_ON_BOOT: 'false',
    });

  it('names them: under enforce it does not start, else it says so and serves', async () => {
    const role = await createServingRole(thisDatabase());
    await grant('--role', role.name);
    await ask(
      thisDatabase(),
      `REVOKE DELETE ON mails FROM ${role.quoted}; GRANT UPDATE ON audit_trees TO ${role.quoted}; REVOKE ALL ON users FROM ${role.quoted};
       REVOKE ALL ON FUNCTION gatehouse_named_tenant_keys FROM ${role.quoted};
       GRANT TRUNCATE ON known_devices TO ${role.quoted}`,
    );
    const refused = start(role.url, 'enforce', role.name);
    expect(await refused.exited).toBe(5);
    expect(refused.stderr().trimEnd().split('\n')).toStrictEqual([
      `The role ${role.name} lacks DELETE on public.mails.`,
      `The role ${role.name} lacks SELECT, INSERT, UPDATE, DELETE on public.users.`,
      `The role ${role.name} lacks EXECUTE on function public.gatehouse_named_tenant_keys.`,
      expect.stringMatching(
        /^Refusing to start: run `npm run admin -- db grant --role .*owns the tables\.$/,
      ),
    ]);
    const warned = start(role.url, 'warn', role.name);
    await warned.url();
    expect(warned.stdout()).toContain('SERVING_ROLE_LACKS');
    expect(warned.stdout()).toContain('TRUNCATE on public.known_devices');
  });

  it('has none at all: that is a sentence, not a stack', async () => {
    const role = await createServingRole(thisDatabase());
    const refused = start(role.url, 'enforce', role.name);
    expect(await refused.exited).toBe(5);
    expect(refused.stderr()).toContain('lacks SELECT on the tables of schema drizzle.');
    expect(refused.stderr()).not.toMatch(/^\s+at /m);
    const command = await operate(externalEnv(role.url), ['tenant', 'list']);
    expect([command.code, command.stdout]).toStrictEqual([1, '']);
    expect(command.stderr).toMatch(/^The role in DATABASE_URL lacks a privilege .*\.\n$/);
  });
});
