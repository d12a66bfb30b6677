import request from 'supertest';
import { auditOf, liveSessionsOf } from '@/tests/helpers/database/authRows';
import {
  fromAddress,
  login,
  logout,
  refresh,
  refreshWithKey,
} from '@/tests/helpers/http/authCalls';
import { seedOfficer } from '@/tests/helpers/people/officer';
import { makeApiKey } from '@/tests/helpers/people/programs';
import {
  ELSEWHERE,
  OFFICE,
  OFFICE_RANGE,
  allow,
  deny,
  from,
  setRules,
} from '@/tests/helpers/people/addressed';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';
import { db } from '@/server/db';
import { refreshTokens } from '@/server/db/schema';
import { eq } from 'drizzle-orm';

const { app } = buildApp();

/** Creates a tenant whose people may act from the office alone, with an officer and a member. */
async function seedClosed(): Promise<{ officer: SeededAuth; member: SeededAuth }> {
  const officer = await seedOfficer();
  const member = await seedTestUserAndToken({ tenantId: officer.tenantId });
  await setRules(app, officer, [allow(OFFICE_RANGE)]);
  return { officer, member };
}

const HERE = fromAddress(OFFICE);
const THERE = fromAddress(ELSEWHERE);

const tokensOf = ({ sessionId }: SeededAuth) =>
  db.select().from(refreshTokens).where(eq(refreshTokens.sessionId, sessionId));

describe('a sign-in from an address that the rules refuse', () => {
  it('says so only after the right password, and opens nothing', async () => {
    const { member } = await seedClosed();
    const wrong = await login(app, { ...member, password: 'not the password' }, THERE);
    const elsewhere = await login(app, { ...member, email: 'nobody@example.com' }, THERE);
    expect([wrong.status, wrong.body]).toStrictEqual([401, elsewhere.body]);
    const right = await login(app, member, THERE);
    expect(right.status).toBe(403);
    expect(right.body).toMatchObject({ error: 'IP_BLOCKED' });
    expect(await liveSessionsOf(member.staffId)).toHaveLength(1);
    expect(await auditOf('AUTH_LOGIN_SUCCEEDED', member.tenantId)).toStrictEqual([]);
    expect(await auditOf('IP_RULE_BLOCKED', member.tenantId)).toMatchObject([
      {
        outcome: 'denied',
        actor: member.staffId,
        subject: `staff:${member.staffId}`,
        ip: ELSEWHERE,
        details: { address: ELSEWHERE, ruleId: null, range: null, appliesTo: 'people' },
      },
    ]);
    expect((await login(app, member, HERE)).status).toBe(200);
  });

  it('is refused with the rule that denies it, in whatever form the address is written', async () => {
    const officer = await seedOfficer();
    const member = await seedTestUserAndToken({ tenantId: officer.tenantId });
    const { rules } = await setRules(app, officer, [deny('198.51.100.0/24')]);
    for (const address of [
      ELSEWHERE,
      `::ffff:${ELSEWHERE}`,
      '64:ff9b::c633:6409',
      '::ffff:c633:6409',
    ]) {
      expect((await login(app, member, fromAddress(address))).body.error).toBe('IP_BLOCKED');
    }
    const [event] = await auditOf('IP_RULE_BLOCKED', member.tenantId);
    expect(event).toMatchObject({ details: { ruleId: rules[0]?.id, range: '198.51.100.0/24' } });
  });

  it('is refused if a trusted proxy hides the address', async () => {
    const { member } = await seedClosed();
    expect((await login(app, member)).body.error).toBe('IP_BLOCKED');
  });
});

describe('a refresh from an address that the rules refuse', () => {
  it('leaves the token untouched, which then works from the office', async () => {
    const { member } = await seedClosed();
    const before = await tokensOf(member);
    for (let times = 0; times < 3; times += 1) {
      const res = await refresh(app, member.refreshToken, THERE);
      expect([res.status, res.body.error]).toStrictEqual([403, 'IP_BLOCKED']);
    }
    expect(await tokensOf(member)).toStrictEqual(before);
    expect(await auditOf('AUTH_TOKEN_REFRESH', member.tenantId)).toStrictEqual([]);
    expect((await refresh(app, member.refreshToken, HERE)).status).toBe(200);
  });

  it('is still reuse if it replays a rotated token', async () => {
    const { member } = await seedClosed();
    const next = await refresh(app, member.refreshToken, HERE);
    const replay = await refresh(app, member.refreshToken, THERE);
    expect(replay.body).toStrictEqual({ error: 'FORCE_LOGOUT', reason: 'reuse_detected' });
    expect((await refresh(app, next.body.refreshToken, HERE)).status).toBe(401);
  });

  it('does not get a lost answer again', async () => {
    const { member } = await seedClosed();
    const first = await request(app)
      .post('/api/auth/refresh')
      .set({ ...HERE, 'idempotency-key': 'a-key-of-the-client' })
      .send({ refreshToken: member.refreshToken });
    const there = await request(app)
      .post('/api/auth/refresh')
      .set({ ...THERE, 'idempotency-key': 'a-key-of-the-client' })
      .send({ refreshToken: member.refreshToken });
    expect(there.body.error).toBe('IP_BLOCKED');
    const again = await request(app)
      .post('/api/auth/refresh')
      .set({ ...HERE, 'idempotency-key': 'a-key-of-the-client' })
      .send({ refreshToken: member.refreshToken });
    expect(again.body.refreshToken).toBe(first.body.refreshToken);
    expect((await refreshWithKey(app, member.refreshToken, 'other')).status).toBe(401);
  });
});

describe('a session that is carried to an address that the rules refuse', () => {
  it('is refused at the next request, and goes on from the office', async () => {
    const { member } = await seedClosed();
    const there = await from(app, member, ELSEWHERE).get('/api/auth/me');
    expect([there.status, there.body.error]).toStrictEqual([403, 'IP_BLOCKED']);
    expect((await from(app, member, ELSEWHERE).head('/api/auth/me')).status).toBe(403);
    expect((await from(app, member, OFFICE).get('/api/auth/me')).status).toBe(200);
  });

  it('can still sign out', async () => {
    const { member } = await seedClosed();
    const res = await request(app)
      .post('/api/auth/logout')
      .set({ ...THERE, authorization: `Bearer ${member.token}` })
      .send({ refreshToken: member.refreshToken });
    expect(res.status).toBe(204);
    expect(await liveSessionsOf(member.staffId)).toStrictEqual([]);
  });

  it('can be signed out with the access token alone', async () => {
    const { member } = await seedClosed();
    expect((await logout(app, member.token).set(THERE)).status).toBe(204);
    expect(await liveSessionsOf(member.staffId)).toStrictEqual([]);
  });

  it('is told nothing more than once a minute in the log, with the number of refusals', async () => {
    const { member } = await seedClosed();
    for (let times = 0; times < 5; times += 1)
      await from(app, member, ELSEWHERE).get('/api/auth/me');
    for (let last = 0; last < 40; last += 1) {
      await from(app, member, `192.0.2.${last}`).get('/api/auth/me');
    }
    const events = await auditOf('IP_RULE_BLOCKED', member.tenantId);
    expect(events).toHaveLength(11);
  });
});

it('a member who is refused by one rule after the other fills no log', async () => {
  const officer = await seedOfficer();
  const member = await seedTestUserAndToken({ tenantId: officer.tenantId });
  const addresses = Array.from({ length: 30 }, (_none, last) => `192.0.2.${last}`);
  await setRules(
    app,
    officer,
    addresses.map((address) => deny(address)),
  );
  for (const address of addresses) await from(app, member, address).get('/api/auth/me');
  expect(await auditOf('IP_RULE_BLOCKED', officer.tenantId)).toHaveLength(11);
});

describe('a tenant without rules', () => {
  it('is open, and the rules of another tenant do not concern it', async () => {
    await seedClosed();
    const member = await seedTestUserAndToken();
    expect((await login(app, member, THERE)).status).toBe(200);
    expect((await from(app, member, ELSEWHERE).get('/api/auth/me')).status).toBe(200);
  });
});

describe('an API key', () => {
  it('is limited by the rules for API keys, and people by theirs', async () => {
    const officer = await seedOfficer({
      permissions: [
        'SETTINGS_SECURITY_VIEW',
        'SETTINGS_SECURITY_EDIT',
        'API_KEYS_MANAGE',
        'TENANT_STAFF_VIEW',
      ],
    });
    const { key, id } = await makeApiKey(app, officer);
    await setRules(app, officer, [
      allow(OFFICE_RANGE),
      allow('192.0.2.0/24', { appliesTo: 'api_keys' }),
    ]);
    const call = (address: string) =>
      from(app, { token: key }, address).get('/api/tenants/current');
    expect((await call('192.0.2.5')).status).toBe(200);
    const refused = await call(OFFICE);
    expect([refused.status, refused.body.error]).toStrictEqual([403, 'IP_BLOCKED']);
    expect(await auditOf('IP_RULE_BLOCKED', officer.tenantId)).toMatchObject([
      { subject: `api-key:${id}`, details: { appliesTo: 'api_keys', address: OFFICE } },
    ]);
  });
});
