import { login, me } from '../helpers/http/authCalls';
import { auditOf } from '../helpers/database/authRows';
import { forgot, reset, NEW_PASSWORD } from '../helpers/http/passwordCalls';
import { openResetLinks } from '../helpers/mail/resetLinks';
import type { ResetLinks } from '../helpers/mail/resetLinks';
import { newAddress } from '../helpers/people/invitationCalls';
import { seedPasswordless, storedPasswordOf } from '../helpers/people/passwordless';
import { HOME } from '../helpers/people/traveller';
import { operate } from '../helpers/server/operatorCommand';
import { externalEnv } from '../helpers/server/serverProcess';
import { seedTestUserAndToken } from '../helpers/seedAuth';

const env = externalEnv();
const PASSWORD = 'another long enough password';

let links: ResetLinks;
beforeAll(async () => {
  links = await openResetLinks();
});

const staff = (what: string, tenant: string, email: string, more: string[], stdin?: string) =>
  operate(env, ['staff', what, '--tenant', tenant, '--email', email, ...more], stdin);

async function succeed(...given: Parameters<typeof staff>) {
  const { code, stdout, stderr } = await staff(...given);
  expect({ code, stderr }).toStrictEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as Record<string, unknown>;
}

describe('staff create --no-password', () => {
  it('makes a person who cannot sign in with a password until they set one by a mailed link', async () => {
    const { tenantSlug, tenantId } = await seedTestUserAndToken();
    const email = newAddress();
    const made = await succeed('create', tenantSlug, email, ['--no-password', '--role', 'member']);
    expect(made).toMatchObject({ userCreated: true, tenantId });
    const { app } = links.node;
    expect((await login(app, { email, password: PASSWORD }, HOME)).status).toBe(401);
    expect(await succeed('show', tenantSlug, email, [])).toMatchObject({
      ...{ hasPassword: false, passwordChangedAt: null, passwordExpiredAt: null },
    });
    await forgot(app, email, HOME);
    const [path = ''] = await links.linksTo({ email });
    expect((await reset(app, path)).status).toBe(200);
    expect((await login(app, { email, password: NEW_PASSWORD }, HOME)).status).toBe(200);
    expect(await succeed('show', tenantSlug, email, [])).toMatchObject({
      ...{ hasPassword: true, passwordChangedAt: expect.any(String) },
    });
  });

  it('refuses a person who exists, and changes nothing of theirs', async () => {
    const known = await seedTestUserAndToken();
    const { tenantSlug, tenantId } = await seedTestUserAndToken();
    const before = await storedPasswordOf(known.userId);
    const run = await staff('create', tenantSlug, known.email, ['--no-password']);
    expect([run.code, run.stdout]).toEqual([1, '']);
    expect(run.stderr).toMatch(/is known already.*--existing.*Nothing was changed/);
    expect(await storedPasswordOf(known.userId)).toEqual(before);
    expect(await auditOf('STAFF_CREATED', tenantId)).toEqual([]);
  });

  it.each([
    [['--no-password', '--password-stdin'], /^--no-password cannot be used with --password-stdin/],
    [['--no-password', '--existing'], /^--existing cannot be used with --no-password/],
    [[], /--password-stdin is missing.*--existing.*--no-password/],
  ])('refuses %j', async (more, sentence) => {
    const { tenantSlug } = await seedTestUserAndToken();
    const run = await staff('create', tenantSlug, newAddress(), more, PASSWORD);
    expect([run.code, run.stdout]).toEqual([1, '']);
    expect(run.stderr).toMatch(sentence);
  });
});

describe('the other commands about a person without a password', () => {
  it('set-password gives them their first one, and the log says that it was the first', async () => {
    const member = await seedPasswordless();
    const { tenantSlug, tenantId, email } = member;
    await succeed('set-password', tenantSlug, email, ['--password-stdin'], PASSWORD);
    expect(await auditOf('PASSWORD_SET', tenantId)).toMatchObject([
      { details: { via: 'operator', first: true } },
    ]);
    const { app } = links.node;
    expect((await login(app, { email, password: PASSWORD }, HOME)).status).toBe(200);
    await succeed('set-password', tenantSlug, email, ['--password-stdin'], `${PASSWORD}!`);
    const [, second] = await auditOf('PASSWORD_SET', tenantId);
    expect(second?.details).toEqual({ via: 'operator' });
  });

  it('force-logout --compromised --expire-password ends their sessions, and expires nothing', async () => {
    const member = await seedPasswordless();
    const { tenantSlug, tenantId, email } = member;
    const more = ['--compromised', '--expire-password'];
    expect(await succeed('force-logout', tenantSlug, email, more)).toMatchObject({
      ...{ forcedLogout: true, compromised: true, passwordExpired: false },
    });
    expect((await me(links.node.app, member.accessToken)).status).toBe(401);
    expect((await storedPasswordOf(member.userId))?.passwordExpiredAt).toBeNull();
    expect(await auditOf('PASSWORD_EXPIRED', tenantId)).toEqual([]);
  });

  it('create --existing adds them to another tenant, still without a password', async () => {
    const member = await seedPasswordless();
    const { tenantSlug } = await seedTestUserAndToken();
    await succeed('create', tenantSlug, member.email, ['--existing']);
    expect((await storedPasswordOf(member.userId))?.passwordHash).toBeNull();
  });
});
