import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { login, me, refresh, rotate } from '@/tests/helpers/http/authCalls';
import { expectInvalidToken, expectReuse } from '@/tests/helpers/http/authOutcomes';
import {
  auditOf,
  liveTokensOf,
  setStaffStatus,
  setTenantStatus,
  setUserStatus,
  tablesHolding,
  tokensOf,
  versionOf,
} from '@/tests/helpers/database/authRows';
import { openNode } from '@/tests/helpers/server/openNode';

const node = openNode();
const { app } = node;
const HOUR_SEC = 3600;
const DAY_SEC = 24 * HOUR_SEC;

describe('a refresh', () => {
  it('answers 200 with a new pair of tokens that work', async () => {
    const seeded = await seedTestUserAndToken();
    const res = await refresh(app, seeded.refreshToken);
    expect(res.status).toBe(200);
    expect(res.headers['cache-control']).toBe('no-store');
    expect(res.body).toStrictEqual({
      accessToken: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      refreshToken: expect.stringMatching(/^ghr_[\w-]{43}$/),
      requiresStepUp: false,
      tokenType: 'Bearer',
      expiresIn: 300,
      refreshExpiresAt: expect.any(String),
      sessionId: seeded.sessionId,
    });
    expect(res.body.refreshToken).not.toBe(seeded.refreshToken);
    expect((await me(app, res.body.accessToken)).body.sessionId).toBe(seeded.sessionId);
    expect((await refresh(app, res.body.refreshToken)).status).toBe(200);
  });

  it('revokes the presented link for `rotation` and adds one live link to its family', async () => {
    const seeded = await seedTestUserAndToken();
    const [, , third] = await rotate(app, seeded.refreshToken, 2);
    expect(third).toBeDefined();
    const rows = await tokensOf(seeded.staffId);
    const spent = { isRevoked: true, revokeReason: 'rotation', revokedAt: expect.any(Date) };
    const family = { familyId: seeded.refreshTokenId, sessionId: seeded.sessionId };
    expect(rows).toHaveLength(3);
    expect(rows[0]).toMatchObject({ id: seeded.refreshTokenId, familyId: null, ...spent });
    expect(rows[1]).toMatchObject({ ...family, ...spent });
    const live = { isRevoked: false, revokeReason: null, revokedAt: null };
    expect(rows[2]).toMatchObject({ ...family, ...live });
    expect(await tablesHolding(third?.slice('ghr_'.length) ?? '')).toStrictEqual([]);
  });

  it('writes one AUTH_TOKEN_REFRESH for each rotation, with its correlation id', async () => {
    const seeded = await seedTestUserAndToken();
    const first = await refresh(app, seeded.refreshToken, { 'x-correlation-id': 'rotation-1' });
    await refresh(app, first.body.refreshToken, { 'x-correlation-id': 'rotation-2' });
    const event = {
      outcome: 'success',
      actor: seeded.staffId,
      sessionId: seeded.sessionId,
      subject: `token-family:${seeded.refreshTokenId}`,
      details: {},
    };
    expect(await auditOf('AUTH_TOKEN_REFRESH', seeded.tenantId)).toMatchObject([
      { ...event, correlationId: 'rotation-1' },
      { ...event, correlationId: 'rotation-2' },
    ]);
  });

  it('writes none where nothing was rotated', async () => {
    const seeded = await seedTestUserAndToken();
    await rotate(app, seeded.refreshToken, 1);
    await expectReuse(app, seeded.refreshToken);
    expect(await auditOf('AUTH_TOKEN_REFRESH', seeded.tenantId)).toHaveLength(1);
  });
});

describe('a refresh is refused as invalid, and nothing else is revoked,', () => {
  const ENDS: [string, (who: SeededAuth) => Promise<unknown>][] = [
    ['the user was disabled', ({ userId }) => setUserStatus(userId, 'disabled')],
    ['the staff member was disabled', ({ staffId }) => setStaffStatus(staffId, 'disabled')],
    ['the tenant was suspended', ({ tenantId }) => setTenantStatus(tenantId, 'suspended')],
  ];

  it.each(ENDS)('after %s', async (_what, end) => {
    const seeded = await seedTestUserAndToken();
    await end(seeded);
    await expectInvalidToken(app, seeded.refreshToken);
    expect((await me(app, seeded.accessToken)).status).toBe(401);
    expect(await versionOf(seeded.staffId)).toBe(1);
    expect(await liveTokensOf(seeded.staffId)).toHaveLength(1);
  });

  it.each([
    { rememberMe: true, what: 'seven idle days', idleSec: 7 * DAY_SEC },
    { rememberMe: false, what: 'two idle hours', idleSec: 2 * HOUR_SEC },
  ])('after $what (rememberMe $rememberMe)', async ({ rememberMe, idleSec }) => {
    const { app: aged, clock } = openNode();
    const seeded = await seedTestUserAndToken();
    const early = (await login(aged, { ...seeded, rememberMe })).body;
    const late = (await login(aged, { ...seeded, rememberMe })).body;
    clock.advance(idleSec - 60);
    expect((await refresh(aged, early.refreshToken)).status).toBe(200);
    clock.advance(61);
    await expectInvalidToken(aged, late.refreshToken);
    expect(await versionOf(seeded.staffId)).toBe(1);
  });

  it('once the absolute end has come, however busy the chain was', async () => {
    const { app: aged, clock } = openNode();
    const seeded = await seedTestUserAndToken();
    let { refreshToken } = (await login(aged, { ...seeded, rememberMe: true })).body;
    for (let week = 0; week < 5; week += 1) {
      clock.advance(6 * DAY_SEC - 60);
      const res = await refresh(aged, refreshToken);
      expect(res.status).toBe(200);
      ({ refreshToken } = res.body);
    }
    const [last] = await liveTokensOf(seeded.staffId).then((rows) => rows.slice(-1));
    expect(last?.expiresAt).toStrictEqual(last?.absoluteExpiresAt);
    clock.advance(301);
    await expectInvalidToken(aged, refreshToken);
  });

  it.each([
    ['unknown', `ghr_${'A'.repeat(43)}`],
    ['malformed', 'ghr_short'],
    ['without its prefix', 'A'.repeat(43)],
    ['that holds SQL', "ghr_' OR '1'='1"],
  ])('for a token %s', async (_what, refreshToken) => {
    await expectInvalidToken(app, refreshToken);
  });

  it('for an access token in its place', async () => {
    const seeded = await seedTestUserAndToken();
    await expectInvalidToken(app, seeded.accessToken);
    expect((await me(app, seeded.accessToken)).status).toBe(200);
  });

  it('for the hash that the database holds in its place', async () => {
    const seeded = await seedTestUserAndToken();
    const [row] = await tokensOf(seeded.staffId);
    await expectInvalidToken(app, row?.tokenHash);
    await expectInvalidToken(app, `ghr_${row?.tokenHash.slice(0, 43)}`);
    expect((await refresh(app, seeded.refreshToken)).status).toBe(200);
  });
});

describe('a refresh body that does not fit', () => {
  it.each([
    ['no token', undefined],
    ['an empty token', ''],
    ['a number', 7],
    ['an array', [`ghr_${'A'.repeat(43)}`]],
    ['NUL', 'ghr_\0'],
  ])('is refused with 400: %s', async (_what, refreshToken) => {
    const res = await refresh(app, refreshToken);
    expect(res.status).toBe(400);
    expect(res.body.error).toBe('INVALID_INPUT');
  });
});
