import { BUILT_IN_PERMISSIONS } from '@/server/permissions';
import type { Express } from 'express';
import request from 'supertest';
import { auditOf, liveSessionsOf, liveTokensOf, sessionsOf } from '../helpers/database/authRows';
import { operate } from '../helpers/server/operatorCommand';
import { seedTestUserAndToken } from '../helpers/seedAuth';
import type { SeededAuth } from '../helpers/seedAuth';
import { externalEnv } from '../helpers/server/serverProcess';
import { buildApp } from '../helpers/server/testApp';

const env = externalEnv();
const nodes: Express[] = [];

beforeAll(() => {
  nodes.push(buildApp().app, buildApp().app);
});

const command = (what: string, who: SeededAuth, ...more: string[]) =>
  operate(env, ['staff', what, '--tenant', who.tenantSlug, '--email', who.email, ...more]);

async function succeed(what: string, who: SeededAuth, ...more: string[]) {
  const { code, stdout, stderr } = await command(what, who, ...more);
  expect({ code, stderr }).toStrictEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as Record<string, unknown>;
}

async function complaint(what: string, who: SeededAuth, ...more: string[]) {
  const { code, stdout, stderr } = await command(what, who, ...more);
  expect({ code, stdout }).toStrictEqual({ code: 1, stdout: '' });
  return stderr.trimEnd();
}

const me = (app: Express, { token }: SeededAuth) =>
  request(app).get('/api/auth/me').set('authorization', `Bearer ${token}`);
const logIn = (app: Express, { email, password }: SeededAuth, as = password) =>
  request(app).post('/api/auth/login').send({ email, password: as });

describe('staff disable and enable', () => {
  it('refuses the very next request, on every node, and every way back in', async () => {
    const member = await seedTestUserAndToken();
    const { tenantId, staffId } = member;
    const [app, other] = nodes as [Express, Express];
    for (const node of nodes) expect((await me(node, member)).status).toBe(200);
    const wrong = await logIn(app, member, 'not the password');

    expect(await succeed('disable', member)).toStrictEqual({ tenantId, staffId, disabled: true });
    for (const node of nodes) {
      const refused = await me(node, member);
      expect([refused.status, refused.body.error]).toStrictEqual([401, 'UNAUTHENTICATED']);
    }
    const refreshed = await request(other)
      .post('/api/auth/refresh')
      .send({ refreshToken: member.refreshToken });
    expect([refreshed.status, refreshed.body]).toStrictEqual([
      401,
      { error: 'INVALID_REFRESH_TOKEN' },
    ]);
    const login = await logIn(app, member);
    expect([login.status, login.body]).toStrictEqual([wrong.status, wrong.body]);
    expect(login.body).toStrictEqual({ error: 'INVALID_CREDENTIALS' });
  });

  it('ends sessions and tokens with the change, and both are in the log', async () => {
    const member = await seedTestUserAndToken();
    const { tenantId, staffId } = member;
    await succeed('disable', member);
    expect(await liveSessionsOf(staffId)).toHaveLength(0);
    expect(await liveTokensOf(staffId)).toHaveLength(0);
    const [disabled] = await auditOf('STAFF_DISABLED', tenantId);
    const subject = `staff:${staffId}`;
    expect(disabled).toMatchObject({
      actor: expect.stringMatching(/^operator:[^@\s]+@[^@\s]+$/),
      subject,
      details: { via: 'operator' },
    });
    const [session] = await sessionsOf(staffId);
    expect(session?.revokeReason).toBe('manual');
    // The sessions that ended because of this must not have ended earlier.
    expect(Number(session?.revokedAt)).toBeGreaterThanOrEqual(Number(disabled?.occurredAt));
    expect(await auditOf('SESSION_INVALIDATED', tenantId)).toMatchObject([
      {
        subject,
        correlationId: disabled?.correlationId,
        details: { reason: 'manual', sessionVersion: 2, sessionsRevoked: 1, tokensRevoked: 1 },
      },
    ]);
  });

  it('lets them sign in again once enabled, and brings no old session back', async () => {
    const member = await seedTestUserAndToken({ permissions: ['A_ONE'] });
    const { tenantId, staffId } = member;
    const [app] = nodes as [Express];
    await succeed('disable', member);
    expect(await complaint('disable', member)).toBe(`'${member.email}' is already disabled.`);
    expect(await succeed('enable', member)).toStrictEqual({ tenantId, staffId, disabled: false });
    expect(await complaint('enable', member)).toBe(`'${member.email}' is not disabled.`);

    expect((await me(app, member)).status).toBe(401);
    const login = await logIn(app, member);
    expect(login.status).toBe(200);
    const again = await me(app, { ...member, token: login.body.accessToken });
    expect(again.body.permissions).toStrictEqual(['A_ONE']);
    const events = [
      await auditOf('STAFF_DISABLED', tenantId),
      await auditOf('STAFF_ENABLED', tenantId),
    ];
    expect(events).toMatchObject([
      [{ details: { via: 'operator' } }],
      [{ details: { via: 'operator', disabledAt: expect.stringMatching(/^\d{4}-.+Z$/) } }],
    ]);
  });

  it('leaves colleagues, and the person in another tenant, signed in', async () => {
    const member = await seedTestUserAndToken();
    const colleague = await seedTestUserAndToken({ tenantId: member.tenantId });
    await succeed('disable', member);
    expect((await me(nodes[0] as Express, colleague)).status).toBe(200);
  });

  it.each(['disable', 'enable', 'permissions'])('%s refuses a stranger', async (what) => {
    const member = await seedTestUserAndToken();
    const stranger = { ...member, email: 'stranger@example.com' };
    const more = what === 'permissions' ? ['--set', 'SETTINGS_SECURITY_VIEW'] : [];
    expect(await complaint(what, stranger, ...more)).toBe(
      `Tenant '${member.tenantSlug}' has no staff member 'stranger@example.com'.`,
    );
  });
});

describe('staff permissions', () => {
  it('counts at the very next request, in the session that there is', async () => {
    const member = await seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_VIEW'] });
    const { tenantId, staffId } = member;
    const look = () =>
      request(nodes[0] as Express)
        .get('/api/security/policy')
        .set('authorization', `Bearer ${member.token}`)
        .set('x-stepup-test-bypass', '1');
    expect((await look()).status).toBe(200);
    const before = ['SETTINGS_SECURITY_VIEW'];
    expect(await succeed('permissions', member, '--set', '')).toStrictEqual({
      tenantId,
      staffId,
      before,
      after: [],
    });
    expect((await look()).status).toBe(403);

    await succeed('permissions', member, '--set', 'SETTINGS_SECURITY_EDIT');
    const change = ['--add', 'SETTINGS_SECURITY_VIEW', '--remove', 'SETTINGS_SECURITY_EDIT'];
    expect(await succeed('permissions', member, ...change)).toMatchObject({
      before: ['SETTINGS_SECURITY_EDIT'],
      after: before,
    });
    expect((await look()).status).toBe(200);
    expect(await auditOf('STAFF_PERMISSIONS_CHANGED', tenantId)).toMatchObject([
      { subject: `staff:${staffId}`, details: { before, after: [], via: 'operator' } },
      { details: { before: [], after: ['SETTINGS_SECURITY_EDIT'] } },
      { details: { before: ['SETTINGS_SECURITY_EDIT'], after: before } },
    ]);
  });

  it('changes nothing, and says why, where nothing is to change or the words are wrong', async () => {
    const member = await seedTestUserAndToken({ permissions: ['A_ONE', 'B_TWO'] });
    const known = `The permissions are ${BUILT_IN_PERMISSIONS.join(', ')}.`;
    const choose = 'Give either --set A,B, or --add A,B, --remove C or both.';
    for (const [words, sentence] of [
      [
        ['--set', 'B_TWO,A_ONE,A_ONE'],
        `'${member.email}' already has exactly these permissions. Those that a role gives do not count: see staff roles.`,
      ],
      [
        ['--remove', 'C_THREE'],
        `'${member.email}' already has exactly these permissions. Those that a role gives do not count: see staff roles.`,
      ],
      [['--set', 'lower'], `There is no permission lower. ${known}`],
      [['--add', 'A_ONE,C_THREE'], `There is no permission C_THREE. ${known}`],
      [['--set', 'A_ONE', '--add', 'B_TWO'], choose],
      [[], choose],
    ] as const) {
      expect(await complaint('permissions', member, ...words)).toBe(sentence);
    }
    expect(await auditOf('STAFF_PERMISSIONS_CHANGED', member.tenantId)).toHaveLength(0);
  });

  it('lets somebody keep a permission that no longer exists, and lets it be taken away', async () => {
    const member = await seedTestUserAndToken({ permissions: ['A_ONE', 'B_TWO'] });
    expect(
      await succeed('permissions', member, '--set', 'A_ONE,SETTINGS_SECURITY_VIEW'),
    ).toMatchObject({ after: ['A_ONE', 'SETTINGS_SECURITY_VIEW'] });
    expect(await succeed('permissions', member, '--remove', 'A_ONE')).toMatchObject({
      after: ['SETTINGS_SECURITY_VIEW'],
    });
  });
});

describe('staff create for a person who is staff of another tenant', () => {
  const create = (email: string, slug: string, more: string[], stdin?: string) =>
    operate(env, ['staff', 'create', '--tenant', slug, '--email', email, ...more], stdin);
  const OTHER = 'another long enough password';

  it('refuses a password, changes nothing, and says what to do', async () => {
    const member = await seedTestUserAndToken();
    const { tenantSlug, tenantId } = await seedTestUserAndToken();
    const run = await create(member.email, tenantSlug, ['--password-stdin'], OTHER);
    expect([run.code, run.stdout]).toStrictEqual([1, '']);
    expect(run.stderr).toMatch(/is known already.*--existing.*Nothing was changed/);
    expect(run.stderr).not.toContain(OTHER);
    expect(await auditOf('STAFF_CREATED', tenantId)).toHaveLength(0);
    expect((await logIn(nodes[0] as Express, member, OTHER)).status).toBe(401);
  });

  it('with --existing takes no password, and the person keeps theirs in both tenants', async () => {
    const member = await seedTestUserAndToken();
    const { tenantSlug } = await seedTestUserAndToken();
    const both = ['--existing', '--password-stdin'];
    expect((await create(member.email, tenantSlug, both, OTHER)).stderr).toMatch(
      /^--existing cannot be used with --password-stdin/,
    );
    const run = await create(member.email, tenantSlug, ['--existing']);
    expect([run.code, run.stderr]).toStrictEqual([0, '']);
    expect(JSON.parse(run.stdout)).toMatchObject({ userCreated: false });
    const res = await request(nodes[0] as Express)
      .post('/api/auth/login')
      .send({ email: member.email, password: member.password, tenant: tenantSlug });
    expect(res.status).toBe(200);
  });

  it('refuses --existing for a stranger', async () => {
    const { tenantSlug } = await seedTestUserAndToken();
    const run = await create('nobody@example.com', tenantSlug, ['--existing']);
    expect([run.code, run.stdout]).toStrictEqual([1, '']);
    expect(run.stderr).toMatch(/^Nobody has the address 'nobody@example\.com'/);
  });
});

describe('tenant list and staff show', () => {
  it('tenant list shows every tenant with how many staff it has', async () => {
    const member = await seedTestUserAndToken();
    await seedTestUserAndToken({ tenantId: member.tenantId });
    const { stdout } = await operate(env, ['tenant', 'list']);
    const { tenants } = JSON.parse(stdout) as { tenants: { tenantId: string }[] };
    expect(tenants.find(({ tenantId }) => tenantId === member.tenantId)).toMatchObject({
      slug: member.tenantSlug,
      status: 'active',
      staff: 2,
    });
  });

  it('staff show says what somebody may do, proves it with, and whether they get in, and no secret', async () => {
    const member = await seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_VIEW'] });
    const { totpSecret } = await succeed('enroll-totp', member);
    const app = nodes[0] as Express;
    for (let time = 0; time < 10; time += 1) await logIn(app, member, 'a wrong password');
    await logIn(app, await seedTestUserAndToken({ tenantId: member.tenantId }));
    const shown = await succeed('show', member);
    expect(shown).toMatchObject({
      tenantId: member.tenantId,
      staffId: member.staffId,
      email: member.email,
      status: 'active',
      roles: [],
      permissions: ['SETTINGS_SECURITY_VIEW'],
      factors: { totp: 1, passkey: 0, recoveryCodes: 0 },
      sessions: (await liveSessionsOf(member.staffId)).length,
      locked: [{ what: 'password' }],
    });
    expect(shown['sessions']).toBe(1);
    expect(JSON.stringify(shown)).not.toContain(String(totpSecret));
    expect(JSON.stringify(shown)).not.toMatch(/hash|argon/i);
    await succeed('roles', member, '--set', 'auditor,member');
    expect(await succeed('show', member)).toMatchObject({ roles: ['auditor', 'member'] });
    await succeed('disable', member);
    expect(await succeed('show', member)).toMatchObject({ status: 'disabled', sessions: 0 });
  });
});
