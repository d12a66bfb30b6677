import { forceLogout } from '@/server/tenants';
import { app } from '@/server/app';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { expectSignedIn } from '@/tests/helpers/http/authOutcomes';
import { login, logout, me, refresh, refreshWithKey } from '@/tests/helpers/http/authCalls';
import {
  auditOf,
  liveTokensOf,
  setStaffStatus,
  tablesHolding,
  tokensOf,
  versionOf,
} from '@/tests/helpers/database/authRows';
import { openNode, operatorContext } from '@/tests/helpers/server/openNode';

const KEY = 'key-of-this-refresh-8f2c';
const REUSE = { error: 'FORCE_LOGOUT', reason: 'reuse_detected' };
const INVALID = { error: 'INVALID_REFRESH_TOKEN' };

/** Expects that no reuse was recorded, and that the chain of this person goes on. */
async function expectUnharmed({ staffId, tenantId }: SeededAuth): Promise<void> {
  expect(await versionOf(staffId)).toBe(1);
  expect(await liveTokensOf(staffId)).toHaveLength(1);
  expect(await auditOf('REFRESH_REUSE_DETECTED', tenantId)).toStrictEqual([]);
}

describe('a refresh whose answer was lost', () => {
  it('gives the same successor to the same token with the same key', async () => {
    const seeded = await seedTestUserAndToken();
    const lost = await refreshWithKey(app, seeded.refreshToken, KEY);
    const again = await refreshWithKey(app, seeded.refreshToken, KEY);
    expect([lost.status, again.status]).toStrictEqual([200, 200]);
    expect(again.body.refreshToken).toBe(lost.body.refreshToken);
    expect(again.body.refreshExpiresAt).toBe(lost.body.refreshExpiresAt);
    expect((await me(app, again.body.accessToken)).body.sessionId).toBe(seeded.sessionId);
    expect((await refresh(app, again.body.refreshToken)).status).toBe(200);
    expect(await versionOf(seeded.staffId)).toBe(1);
  });

  it('is given again on another node too', async () => {
    const seeded = await seedTestUserAndToken();
    const lost = await refreshWithKey(app, seeded.refreshToken, KEY);
    const again = await refreshWithKey(openNode().app, seeded.refreshToken, KEY);
    expect(again.body.refreshToken).toBe(lost.body.refreshToken);
  });

  it('adds one row, however often it is asked for, and each repeat is written down', async () => {
    const seeded = await seedTestUserAndToken();
    for (let time = 0; time < 4; time += 1) {
      expect((await refreshWithKey(app, seeded.refreshToken, KEY)).status).toBe(200);
    }
    expect(await tokensOf(seeded.staffId)).toHaveLength(2);
    expect(await auditOf('AUTH_TOKEN_REFRESH', seeded.tenantId)).toHaveLength(1);
    const repeat = {
      actor: seeded.staffId,
      sessionId: seeded.sessionId,
      subject: `token-family:${seeded.refreshTokenId}`,
      outcome: 'success',
      details: { at: 'refresh' },
    };
    const repeats = await auditOf('AUTH_TOKEN_REISSUED', seeded.tenantId);
    expect(repeats).toMatchObject([repeat, repeat, repeat]);
  });

  it('adds one row for ten requests at once, and all get the same successor', async () => {
    const seeded = await seedTestUserAndToken();
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => refreshWithKey(app, seeded.refreshToken, KEY)),
    );
    expect(answers.map(({ status }) => status)).toStrictEqual(
      Array.from({ length: 10 }, () => 200),
    );
    expect(new Set(answers.map(({ body }) => body.refreshToken)).size).toBe(1);
    expect(await tokensOf(seeded.staffId)).toHaveLength(2);
    expect(await liveTokensOf(seeded.staffId)).toHaveLength(1);
  });

  it('is given again ten minutes later while nobody used it, and after that is refused without harm', async () => {
    const { app: aged, clock } = openNode();
    const seeded = await seedTestUserAndToken();
    clock.stop();
    const lost = await refreshWithKey(aged, seeded.refreshToken, KEY);
    clock.advance(600);
    const late = await refreshWithKey(aged, seeded.refreshToken, KEY);
    expect(late.body.refreshToken).toBe(lost.body.refreshToken);
    clock.advance(1);
    const tooLate = await refreshWithKey(aged, seeded.refreshToken, KEY);
    expect(tooLate.status).toBe(401);
    expect(tooLate.body).toStrictEqual(INVALID);
    await expectUnharmed(seeded);
    expect((await refresh(aged, lost.body.refreshToken)).status).toBe(200);
  });

  it('is given again for as long as the setting says, and no longer', async () => {
    const { app: strict, clock } = openNode((config) => ({ ...config, lostAnswerSec: 5 }));
    const seeded = await seedTestUserAndToken();
    clock.stop();
    await refreshWithKey(strict, seeded.refreshToken, KEY);
    clock.advance(5);
    expect((await refreshWithKey(strict, seeded.refreshToken, KEY)).status).toBe(200);
    clock.advance(1);
    expect((await refreshWithKey(strict, seeded.refreshToken, KEY)).body).toStrictEqual(INVALID);
    await expectUnharmed(seeded);
  });

  it('is given again by a node whose clock is five minutes behind or ahead, and is no reuse on one further off', async () => {
    const node = openNode();
    const seeded = await seedTestUserAndToken();
    const lost = await refreshWithKey(app, seeded.refreshToken, KEY);
    for (const seconds of [-300, 600]) {
      node.clock.advance(seconds);
      const again = await refreshWithKey(node.app, seeded.refreshToken, KEY);
      expect(again.body.refreshToken).toBe(lost.body.refreshToken);
    }
    node.clock.advance(3600);
    const off = await refreshWithKey(node.app, seeded.refreshToken, KEY);
    expect(off.body).toStrictEqual(INVALID);
    await expectUnharmed(seeded);
  });
});

describe('the right key is never theft: a repeat is refused and punishes nobody', () => {
  const ENDED = {
    'signed out': INVALID,
    forced: { error: 'FORCE_LOGOUT', reason: 'force_logout' },
  };

  it('once the successor was used: what the repeat asked for has been answered', async () => {
    const seeded = await seedTestUserAndToken();
    const rotated = (await refreshWithKey(app, seeded.refreshToken, KEY)).body;
    const next = await refresh(app, rotated.refreshToken);
    const res = await refreshWithKey(app, seeded.refreshToken, KEY);
    expect(res.status).toBe(401);
    expect(res.body).toStrictEqual(INVALID);
    await expectUnharmed(seeded);
    await expectSignedIn(app, next.body);
  });

  it('once the session was signed out', async () => {
    const seeded = await seedTestUserAndToken();
    const other = (await login(app, seeded)).body;
    const rotated = (await refreshWithKey(app, seeded.refreshToken, KEY)).body;
    await logout(app, rotated.accessToken);
    const res = await refreshWithKey(app, seeded.refreshToken, KEY);
    expect(res.body).toStrictEqual(ENDED['signed out']);
    expect(await auditOf('REFRESH_REUSE_DETECTED', seeded.tenantId)).toStrictEqual([]);
    await expectSignedIn(app, other);
  });

  it('once the sessions were ended for the person: the answer says so, and why', async () => {
    const node = openNode();
    const seeded = await seedTestUserAndToken();
    await refreshWithKey(app, seeded.refreshToken, KEY);
    await forceLogout(node.deps, operatorContext, seeded.tenantId, seeded.staffId);
    const res = await refreshWithKey(app, seeded.refreshToken, KEY);
    expect(res.body).toStrictEqual(ENDED.forced);
    expect(await auditOf('REFRESH_REUSE_DETECTED', seeded.tenantId)).toStrictEqual([]);
    expect(await versionOf(seeded.staffId)).toBe(2);
  });

  it('once a theft of the chain was detected: the victim learns the same as the thief', async () => {
    const seeded = await seedTestUserAndToken();
    const rotated = (await refreshWithKey(app, seeded.refreshToken, KEY)).body;
    await refreshWithKey(app, rotated.refreshToken, `${KEY}-2`);
    expect((await refresh(app, rotated.refreshToken)).body).toStrictEqual(REUSE);
    expect((await refreshWithKey(app, seeded.refreshToken, KEY)).body).toStrictEqual(REUSE);
    expect(await auditOf('REFRESH_REUSE_DETECTED', seeded.tenantId)).toHaveLength(1);
    expect(await versionOf(seeded.staffId)).toBe(2);
  });

  it('once the person was disabled: nothing is handed out again', async () => {
    const seeded = await seedTestUserAndToken();
    await refreshWithKey(app, seeded.refreshToken, KEY);
    await setStaffStatus(seeded.staffId, 'disabled');
    expect((await refreshWithKey(app, seeded.refreshToken, KEY)).body).toStrictEqual(INVALID);
    expect(await auditOf('AUTH_TOKEN_REISSUED', seeded.tenantId)).toStrictEqual([]);
  });
});

describe('the same token is reuse, and ends the family,', () => {
  it.each([
    ['with another key', (token: string) => refreshWithKey(app, token, `${KEY}-other`)],
    [
      'with the key in another case',
      (token: string) => refreshWithKey(app, token, KEY.toUpperCase()),
    ],
    ['without a key', (token: string) => refresh(app, token)],
  ])('%s', async (_what, replay) => {
    const seeded = await seedTestUserAndToken();
    const rotated = (await refreshWithKey(app, seeded.refreshToken, KEY)).body;
    const res = await replay(seeded.refreshToken);
    expect(res.status).toBe(401);
    expect(res.body).toStrictEqual(REUSE);
    expect(await versionOf(seeded.staffId)).toBe(2);
    expect(await liveTokensOf(seeded.staffId)).toHaveLength(0);
    expect((await me(app, rotated.accessToken)).status).toBe(401);
  });

  it('with a key, where the first refresh had none', async () => {
    const seeded = await seedTestUserAndToken();
    await refresh(app, seeded.refreshToken);
    expect((await refreshWithKey(app, seeded.refreshToken, KEY)).body).toStrictEqual(REUSE);
    expect(await liveTokensOf(seeded.staffId)).toHaveLength(0);
  });

  it("with the key of another token's refresh", async () => {
    const [seeded, other] = [await seedTestUserAndToken(), await seedTestUserAndToken()];
    await refreshWithKey(app, seeded.refreshToken, `${KEY}-1`);
    await refreshWithKey(app, other.refreshToken, `${KEY}-2`);
    const res = await refreshWithKey(app, seeded.refreshToken, `${KEY}-2`);
    expect(res.body).toStrictEqual(REUSE);
    expect(await liveTokensOf(other.staffId)).toHaveLength(1);
  });
});

describe('the key', () => {
  it('gives no token back to a session that has ended', async () => {
    const seeded = await seedTestUserAndToken();
    const rotated = (await refreshWithKey(app, seeded.refreshToken, KEY)).body;
    await logout(app, rotated.accessToken);
    const res = await refreshWithKey(app, seeded.refreshToken, KEY);
    expect(res.status).toBe(401);
    expect(res.body.refreshToken).toBeUndefined();
  });

  it('is stored nowhere, and neither is what it gave', async () => {
    const seeded = await seedTestUserAndToken();
    const key = 'a-key-that-must-not-be-kept';
    const headers = { 'idempotency-key': key, 'user-agent': 'kept-as-a-control' };
    const { body } = await refresh(app, seeded.refreshToken, headers);
    expect(await tablesHolding('kept-as-a-control')).toContain('refresh_tokens');
    expect(await tablesHolding(key)).toStrictEqual([]);
    expect(await tablesHolding(body.refreshToken.slice('ghr_'.length))).toStrictEqual([]);
  });

  it('makes different successors of different tokens', async () => {
    const [one, other] = [await seedTestUserAndToken(), await seedTestUserAndToken()];
    const first = (await refreshWithKey(app, one.refreshToken, KEY)).body.refreshToken;
    const second = (await refreshWithKey(app, other.refreshToken, KEY)).body.refreshToken;
    expect(first).not.toBe(second);
  });

  it.each([
    ['is empty', ''],
    ['has 256 characters', 'k'.repeat(256)],
    ['holds a space', 'two words'],
    ['holds a letter that is not ASCII', 'schlüssel'],
  ])('is refused with 400 and spends nothing where it %s', async (_what, key) => {
    const seeded = await seedTestUserAndToken();
    const res = await refreshWithKey(app, seeded.refreshToken, key);
    expect(res.status).toBe(400);
    expect(res.body.error).toBe('INVALID_INPUT');
    expect(await tokensOf(seeded.staffId)).toHaveLength(1);
    expect((await refresh(app, seeded.refreshToken)).status).toBe(200);
  });

  it('may have 255 characters', async () => {
    const seeded = await seedTestUserAndToken();
    expect((await refreshWithKey(app, seeded.refreshToken, 'k'.repeat(255))).status).toBe(200);
  });
});
