import type { Express } from 'express';
import { login, me } from '../helpers/http/authCalls';
import { auditOf } from '../helpers/database/authRows';
import { operate } from '../helpers/server/operatorCommand';
import { pollUntil } from '../helpers/time/pollUntil';
import { seedTestUserAndToken } from '../helpers/seedAuth';
import type { SeededAuth } from '../helpers/seedAuth';
import { externalEnv } from '../helpers/server/serverProcess';
import { buildApp, createMovableClock } from '../helpers/server/testApp';
import { HOME, seedTraveller } from '../helpers/people/traveller';

const env = externalEnv();
/** The clock is stopped: this node must forget because of a message, and not because of age. */
const clock = createMovableClock();
const { app, deps } = buildApp({}, { clock });

const command = (what: string, who: SeededAuth, more: string[], stdin?: string) =>
  operate(env, ['staff', what, '--tenant', who.tenantSlug, '--email', who.email, ...more], stdin);

async function succeed(what: string, who: SeededAuth, more: string[], stdin?: string) {
  const { code, stdout, stderr } = await command(what, who, more, stdin);
  expect({ code, stderr }).toStrictEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as Record<string, unknown>;
}

async function complaint(what: string, who: SeededAuth, more: string[], stdin?: string) {
  const { code, stdout, stderr } = await command(what, who, more, stdin);
  expect({ code, stdout }).toStrictEqual({ code: 1, stdout: '' });
  return stderr.trimEnd();
}

const statusOf = async (on: Express, who: SeededAuth, password = who.password) =>
  (await login(on, { ...who, password }, HOME)).status;

describe('staff force-logout --compromised', () => {
  it('has the next login prove itself, and every running node forget what was learnt', async () => {
    deps.broadcast.start();
    await pollUntil(
      'the node receives',
      () => Promise.resolve(deps.broadcast.isDown()),
      (down) => !down,
    );
    const member = await seedTraveller(app);
    const read = () => deps.riskFacts.read(member.tenantId, member.staffId);
    expect((await read()).deviceHashes.size).toBeGreaterThan(0);
    const done = await succeed('force-logout', member, ['--compromised']);
    expect(done).toMatchObject({ forcedLogout: true, compromised: true, passwordExpired: false });
    await pollUntil('it is forgotten', read, ({ deviceHashes }) => deviceHashes.size === 0);
    expect((await me(app, member.accessToken)).status).toBe(401);
    expect(await statusOf(app, member)).toBe(428);
  });

  it('expires the password if that is said', async () => {
    const member = await seedTestUserAndToken();
    const more = ['--compromised', '--expire-password', '--since', '2026-01-01T00:00:00Z'];
    expect(await succeed('force-logout', member, more)).toMatchObject({ passwordExpired: true });
    expect(await statusOf(app, member)).toBe(401);
    expect(await auditOf('PASSWORD_EXPIRED', member.tenantId)).toHaveLength(1);
  });

  it('refuses half a sentence', async () => {
    const member = await seedTestUserAndToken();
    for (const more of [['--expire-password'], ['--since', '2026-01-01T00:00:00Z']]) {
      expect(await complaint('force-logout', member, more)).toContain('need --compromised');
    }
    const odd = ['--compromised', '--since', 'yesterday'];
    expect(await complaint('force-logout', member, odd)).toContain('--since must be an instant');
    expect((await me(app, member.accessToken)).status).toBe(200);
  });
});

describe('staff set-password', () => {
  it('takes it from stdin alone, by the rules for new passwords', async () => {
    const member = await seedTestUserAndToken();
    expect(await complaint('set-password', member, [])).toContain('--password-stdin is missing');
    for (const [password, why] of [
      ['short', 'at least 15 characters'],
      ['x'.repeat(1025), 'at most 1024 characters'],
    ] as const) {
      expect(await complaint('set-password', member, ['--password-stdin'], password)).toContain(
        why,
      );
    }
    expect((await me(app, member.accessToken)).status).toBe(200);
    const next = 'ﬁne passwords are long';
    const done = await succeed('set-password', member, ['--password-stdin'], `${next}\n`);
    expect(done).toEqual({
      tenantId: member.tenantId,
      staffId: member.staffId,
      passwordSet: true,
      memberships: 1,
    });
    expect((await me(app, member.accessToken)).status).toBe(401);
    expect(await statusOf(app, member, next.normalize('NFKC'))).toBe(200);
    expect(await statusOf(app, member)).toBe(401);
  });
});

it('staff list names everybody, and with --locked those alone whom guessing has closed', async () => {
  const member = await seedTestUserAndToken();
  const guessed = await seedTestUserAndToken({ tenantId: member.tenantId });
  for (let time = 0; time < deps.config.loginFailures.perAccount; time += 1) {
    await statusOf(app, guessed, 'a wrong password');
  }
  const list = async (...more: string[]) => {
    const words = ['staff', 'list', '--tenant', member.tenantSlug, ...more];
    const { stdout } = await operate(env, words);
    return (JSON.parse(stdout) as { staff: { staffId: string; locked: object[] }[] }).staff;
  };
  expect((await list()).map(({ staffId }) => staffId).sort()).toEqual(
    [member.staffId, guessed.staffId].sort(),
  );
  expect(await list('--locked')).toMatchObject([
    {
      staffId: guessed.staffId,
      email: guessed.email,
      status: 'active',
      locked: [{ what: 'password' }],
    },
  ]);
});
