import { eq } from 'drizzle-orm';
import { db } from '@/server/db';
import { knownCountries } from '@/server/db/schema';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import {
  ADDRESS,
  fromAddress,
  login,
  logout,
  me,
  refresh,
  rotate,
} from '@/tests/helpers/http/authCalls';
import {
  expectForcedOut,
  expectInvalidToken,
  expectReuse,
} from '@/tests/helpers/http/authOutcomes';
import {
  auditOf,
  liveSessionsOf,
  liveTokensOf,
  tokensOf,
  versionOf,
} from '@/tests/helpers/database/authRows';
import { openNode } from '@/tests/helpers/server/openNode';

const node = openNode();
const { app } = node;

describe('a rotated token that comes back', () => {
  it('ends its whole family and every session of its owner, and raises the version', async () => {
    const seeded = await seedTestUserAndToken();
    const elsewhere = (await login(app, seeded)).body;
    const [, next] = await rotate(app, seeded.refreshToken, 1);
    await expectReuse(app, seeded.refreshToken);
    expect(await versionOf(seeded.staffId)).toBe(2);
    expect(await liveTokensOf(seeded.staffId)).toHaveLength(0);
    expect(await liveSessionsOf(seeded.staffId)).toHaveLength(0);
    const rows = await tokensOf(seeded.staffId);
    const reasons = rows.map(({ id, familyId, revokeReason }) => [familyId ?? id, revokeReason]);
    expect(reasons).toContainEqual([seeded.refreshTokenId, 'reuse_detected']);
    expect(reasons).toContainEqual([
      expect.not.stringMatching(seeded.refreshTokenId),
      'security_event',
    ]);
    const told = async (token: unknown) => (await refresh(app, token)).body;
    expect(await told(next)).toStrictEqual({ error: 'FORCE_LOGOUT', reason: 'reuse_detected' });
    await expectForcedOut(app, elsewhere, 'security_event');
  });

  it('kills the access tokens of all these sessions at their very next request', async () => {
    const seeded = await seedTestUserAndToken();
    const rotated = (await refresh(app, seeded.refreshToken)).body;
    const elsewhere = (await login(app, seeded)).body;
    for (const { accessToken } of [seeded, rotated, elsewhere]) {
      expect((await me(app, accessToken)).status).toBe(200);
    }
    await expectReuse(app, seeded.refreshToken);
    for (const { accessToken } of [seeded, rotated, elsewhere]) {
      expect((await me(app, accessToken)).status).toBe(401);
    }
  });

  it('ends the family also when it is a great-grandparent of the live link', async () => {
    const seeded = await seedTestUserAndToken();
    const chain = await rotate(app, seeded.refreshToken, 4);
    await expectReuse(app, chain[1]);
    expect(await liveTokensOf(seeded.staffId)).toHaveLength(0);
    const last = await refresh(app, chain[4]);
    expect(last.body).toStrictEqual({ error: 'FORCE_LOGOUT', reason: 'reuse_detected' });
  });

  it('ends the family also when it is the first link, whose family_id is null', async () => {
    const seeded = await seedTestUserAndToken();
    const chain = await rotate(app, seeded.refreshToken, 3);
    expect((await tokensOf(seeded.staffId))[0]?.familyId).toBeNull();
    await expectReuse(app, chain[0]);
    const rows = await tokensOf(seeded.staffId);
    expect(rows.map(({ revokeReason }) => revokeReason)).toStrictEqual([
      'rotation',
      'rotation',
      'rotation',
      'reuse_detected',
    ]);
  });

  it('harms nobody else: another member of the same tenant goes on', async () => {
    const seeded = await seedTestUserAndToken();
    const colleague = await seedTestUserAndToken({ tenantId: seeded.tenantId });
    await rotate(app, seeded.refreshToken, 1);
    await expectReuse(app, seeded.refreshToken);
    expect(await versionOf(colleague.staffId)).toBe(1);
    expect((await me(app, colleague.accessToken)).status).toBe(200);
    expect((await refresh(app, colleague.refreshToken)).status).toBe(200);
  });

  it('has the scorer ask anew what it knows of its owner', async () => {
    const movedToJapan = async (replay: boolean) => {
      const seeded = await seedTestUserAndToken();
      const home = fromAddress(ADDRESS.GB);
      const { refreshToken } = (await login(app, seeded, home)).body;
      expect((await refresh(app, refreshToken, home)).status).toBe(200);
      await db
        .update(knownCountries)
        // Set as if learned in an earlier session, because what was learned in the ended session is
        // forgotten.
        .set({ country: 'JP', sessionId: null })
        .where(eq(knownCountries.staffId, seeded.staffId));
      if (replay) await expectReuse(app, refreshToken);
      return login(app, seeded, home);
    };
    expect((await movedToJapan(false)).status).toBe(200);
    const res = await movedToJapan(true);
    expect(res.status).toBe(428);
    expect(res.body.reasons).toStrictEqual(['NEW_DEVICE', 'NEW_COUNTRY', 'IMPOSSIBLE_TRAVEL']);
  });

  it('lets its owner sign in anew', async () => {
    const seeded = await seedTestUserAndToken();
    await rotate(app, seeded.refreshToken, 1);
    await expectReuse(app, seeded.refreshToken);
    const { body } = await login(app, seeded);
    expect((await me(app, body.accessToken)).status).toBe(200);
    expect((await refresh(app, body.refreshToken)).status).toBe(200);
  });

  it('is written down with the family, and the end of the sessions with its reason', async () => {
    const seeded = await seedTestUserAndToken();
    await rotate(app, seeded.refreshToken, 2);
    await expectReuse(app, seeded.refreshToken);
    const [event, ...more] = await auditOf('REFRESH_REUSE_DETECTED', seeded.tenantId);
    expect(more).toHaveLength(0);
    expect(event).toMatchObject({
      outcome: 'denied',
      details: { familyId: seeded.refreshTokenId },
    });
    expect(await auditOf('SESSION_INVALIDATED', seeded.tenantId)).toMatchObject([
      { details: { reason: 'reuse_detected', sessionVersion: 2, tokensRevoked: 1 } },
    ]);
  });
});

describe('a token that was logged out', () => {
  it('is refused and kills nothing: another session of the same person goes on', async () => {
    const seeded = await seedTestUserAndToken();
    const other = (await login(app, seeded)).body;
    expect((await logout(app, seeded.accessToken)).status).toBe(204);
    await expectInvalidToken(app, seeded.refreshToken);
    expect(await versionOf(seeded.staffId)).toBe(1);
    expect((await me(app, other.accessToken)).status).toBe(200);
    expect((await refresh(app, other.refreshToken)).status).toBe(200);
  });

  it('is no remote control: an older link of its ended family ends no other session either', async () => {
    const seeded = await seedTestUserAndToken();
    const other = (await login(app, seeded)).body;
    const rotated = (await refresh(app, seeded.refreshToken)).body;
    await logout(app, rotated.accessToken);
    expect((await refresh(app, seeded.refreshToken)).status).toBe(401);
    expect((await me(app, other.accessToken)).status).toBe(200);
    expect((await refresh(app, other.refreshToken)).status).toBe(200);
  });
});
