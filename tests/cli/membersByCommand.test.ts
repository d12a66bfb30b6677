import request from 'supertest';
import { auditOf } from '../helpers/database/authRows';
import { login, me } from '../helpers/http/authCalls';
import { seedAdministrator } from '../helpers/people/administrator';
import { seedTestUserAndToken } from '../helpers/seedAuth';
import type { SeededAuth } from '../helpers/seedAuth';
import { giveFactor } from '../helpers/stepUp/secondFactor';
import { operate } from '../helpers/server/operatorCommand';
import { externalEnv } from '../helpers/server/serverProcess';
import { buildApp } from '../helpers/server/testApp';

const env = externalEnv();
const { app } = buildApp();

const command = (what: string, who: SeededAuth, ...more: string[]) =>
  operate(env, ['staff', what, '--tenant', who.tenantSlug, '--email', who.email, ...more]);

async function succeed(what: string, who: SeededAuth, ...more: string[]) {
  const { code, stdout, stderr } = await command(what, who, ...more);
  expect({ code, stderr }).toStrictEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as Record<string, unknown>;
}

describe('staff remove', () => {
  it('ends a membership for good: no other command finds the person', async () => {
    const member = await seedTestUserAndToken();
    const { tenantId, staffId } = member;
    expect(await succeed('remove', member, '--ticket', 'HR-9')).toEqual({
      tenantId,
      staffId,
      removed: true,
    });
    expect((await me(app, member.token)).status).toBe(401);
    const list = await operate(env, ['staff', 'list', '--tenant', member.tenantSlug]);
    expect(JSON.parse(list.stdout)).toMatchObject({ staff: [] });
    expect(await auditOf('STAFF_REMOVED', tenantId)).toMatchObject([
      { details: { via: 'operator', ticket: 'HR-9' } },
    ]);
    for (const [what, ...more] of [
      ['remove'],
      ['disable'],
      ['enable'],
      ['force-logout'],
      ['reset-factors', '--reason', 'Lost'],
      ['permissions', '--set', ''],
    ] as const) {
      const { code, stderr } = await command(what, member, ...more);
      expect([what, code]).toEqual([what, 1]);
      expect(stderr).not.toBe('');
    }
  });

  it('lets `staff create --existing` make a former member a member again, with nothing of the past', async () => {
    const member = await seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_VIEW'] });
    await succeed('remove', member);
    const again = await succeed('create', member, '--existing', '--role', 'auditor');
    expect(again).toMatchObject({ staffId: member.staffId, userCreated: false });
    const events = await auditOf('STAFF_CREATED', member.tenantId);
    expect(events).toMatchObject([{ details: { rejoined: true, roles: ['auditor'] } }]);
    expect((await me(app, member.token)).status).toBe(401);
    const { email, password, tenantSlug: tenant } = member;
    const res = await request(app).post('/api/auth/login').send({ email, password, tenant });
    expect(res.status).toBe(200);
    expect((await command('create', member, '--existing')).stderr).toMatch(/already staff/);
  });

  it('takes the last administrator only with --last-administrator', async () => {
    const admin = await seedAdministrator();
    for (const what of ['remove', 'disable']) {
      const refused = await command(what, admin);
      expect(refused).toMatchObject({ code: 1, stdout: '' });
      expect(refused.stderr).toContain('administrator');
    }
    expect((await me(app, admin.token)).status).toBe(200);
    await succeed('disable', admin, '--last-administrator');
    await succeed('remove', admin, '--last-administrator');
  });
});

describe('staff reset-factors', () => {
  it('removes every factor of the membership, with a reason', async () => {
    const member = await seedTestUserAndToken();
    await giveFactor(member);
    const without = await command('reset-factors', member);
    expect(without).toMatchObject({ code: 1, stderr: '--reason is missing.\n' });
    expect(await succeed('reset-factors', member, '--reason', 'Lost')).toMatchObject({
      staffId: member.staffId,
      removed: { totp: 1, passkeys: 0, recoveryCodes: 0 },
    });
    expect(await auditOf('FACTORS_RESET', member.tenantId)).toMatchObject([
      { details: { via: 'operator', reason: 'Lost' } },
    ]);
    expect((await me(app, member.token)).status).toBe(401);
  });
});

describe('staff force-logout --all', () => {
  it('ends the sessions of everybody in the tenant, and of nobody else', async () => {
    const admin = await seedAdministrator();
    const member = await seedTestUserAndToken({ tenantId: admin.tenantId });
    const stranger = await seedTestUserAndToken();
    const words = ['staff', 'force-logout', '--tenant', admin.tenantSlug, '--all'];
    const { code, stdout } = await operate(env, words);
    expect([code, JSON.parse(stdout)]).toEqual([0, { tenantId: admin.tenantId, forcedLogouts: 2 }]);
    for (const who of [admin, member]) expect((await me(app, who.token)).status).toBe(401);
    expect((await me(app, stranger.token)).status).toBe(200);
    const both = await operate(env, [...words, '--email', member.email]);
    expect(both).toMatchObject({ code: 1, stderr: '--all cannot be used with --email.\n' });
  });
});

describe('the sessions of a member', () => {
  it('are listed, and end one by one; the others go on', async () => {
    const member = await seedTestUserAndToken();
    const { email, password, sessionId } = member;
    const second = await login(app, { email, password });
    const { sessions } = await succeed('sessions', member);
    const ids = (sessions as { id: string }[]).map(({ id }) => id);
    expect(ids).toHaveLength(2);
    expect(ids).toContain(sessionId);
    await succeed('end-session', member, '--session', sessionId, '--ticket', 'SEC-1');
    expect((await me(app, member.token)).status).toBe(401);
    expect((await me(app, String(second.body.accessToken))).status).toBe(200);
    expect(await auditOf('SESSION_INVALIDATED', member.tenantId)).toMatchObject([
      { subject: `session:${sessionId}`, details: { ticket: 'SEC-1' } },
    ]);
    for (const unknown of [sessionId, 'none', second.body.accessToken as string]) {
      const { code } = await command('end-session', member, '--session', unknown);
      expect(code).toBe(1);
    }
  });
});

describe('staff list', () => {
  it('selects by a part of the address, by role and by status', async () => {
    const admin = await seedAdministrator();
    const member = await seedTestUserAndToken({ tenantId: admin.tenantId });
    await succeed('roles', { ...member, tenantSlug: admin.tenantSlug }, '--set', 'auditor');
    const emails = async (...more: string[]) => {
      const { stdout } = await operate(env, [
        'staff',
        'list',
        '--tenant',
        admin.tenantSlug,
        ...more,
      ]);
      return (JSON.parse(stdout) as { staff: { email: string }[] }).staff.map(({ email }) => email);
    };
    expect(await emails('--search', member.email.slice(3).toUpperCase())).toEqual([member.email]);
    expect(await emails('--role', 'auditor')).toEqual([member.email]);
    expect(await emails('--status', 'disabled')).toEqual([]);
    const wrong = ['staff', 'list', '--tenant', admin.tenantSlug, '--status', 'asleep'];
    expect((await operate(env, wrong)).stderr).toMatch(/--status must be one of active, /);
  });
});

describe('staff set-end', () => {
  it('sets and takes away the end of a membership, and says if nothing would change', async () => {
    const member = await seedTestUserAndToken();
    const { tenantId, staffId } = member;
    const endsAt = new Date(Date.now() + 86_400_000).toISOString();
    const set = await succeed('set-end', member, '--ends-at', endsAt, '--ticket', 'HR-9');
    expect(set).toEqual({ tenantId, staffId, endsAt });
    expect(await succeed('show', member)).toMatchObject({ endsAt });
    expect(await succeed('set-end', member, '--never')).toMatchObject({ endsAt: null });
    const events = await auditOf('STAFF_END_CHANGED', tenantId);
    expect(events).toMatchObject([
      { details: { before: null, after: endsAt, via: 'operator', ticket: 'HR-9' } },
      { details: { before: endsAt, after: null } },
    ]);
    const wrong: [string[], RegExp][] = [
      [['--never'], /this end already/],
      [[], /--ends-at with a time, or --never/],
      [['--never', '--ends-at', endsAt], /--ends-at with a time, or --never/],
      [['--ends-at', 'soon'], /must be an instant/],
      [['--ends-at', '2020-01-01T00:00:00Z'], /at least five minutes and at most ten years/],
    ];
    for (const [options, sentence] of wrong) {
      const { code, stderr } = await command('set-end', member, ...options);
      expect([options, code]).toEqual([options, 1]);
      expect(stderr).toMatch(sentence);
    }
    expect(await auditOf('STAFF_END_CHANGED', tenantId)).toHaveLength(2);
  });
});
