import { forceLogout } from '@/server/tenants';
import { eq } from 'drizzle-orm';
import { app } from '@/server/app';
import { db } from '@/server/db';
import { userSessions } from '@/server/db/schema';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { login, me, refresh } from '@/tests/helpers/http/authCalls';
import { expectForcedOut, expectSignedIn } from '@/tests/helpers/http/authOutcomes';
import { auditOf, setStaffStatus, tokensOf } from '@/tests/helpers/database/authRows';
import { openNode, operatorContext } from '@/tests/helpers/server/openNode';
import { pollUntil } from '@/tests/helpers/time/pollUntil';

describe('a force logout on another node', () => {
  const other = openNode();

  it('refuses the very next request, although this node has just accepted the token', async () => {
    const seeded = await seedTestUserAndToken();
    const second = (await login(app, seeded)).body;
    for (const { accessToken } of [seeded, second]) {
      expect((await me(app, accessToken)).status).toBe(200);
    }
    await forceLogout(other.deps, operatorContext, seeded.tenantId, seeded.staffId);
    for (const { accessToken } of [seeded, second]) {
      expect((await me(app, accessToken)).status).toBe(401);
      expect((await me(other.app, accessToken)).status).toBe(401);
    }
    await expectForcedOut(app, seeded, 'force_logout');
    const reasons = (await tokensOf(seeded.staffId)).map(({ revokeReason }) => revokeReason);
    expect(new Set(reasons)).toStrictEqual(new Set(['force_logout']));
    expect(await auditOf('SESSION_INVALIDATED', seeded.tenantId)).toMatchObject([
      { actor: 'system', details: { reason: 'force_logout', sessionVersion: 2 } },
    ]);
  });

  it('refuses the next request in every one of ten rounds among other requests', async () => {
    for (let round = 0; round < 10; round += 1) {
      const seeded = await seedTestUserAndToken();
      const crowd = Array.from({ length: 10 }, () => me(app, seeded.accessToken));
      const [next] = await Promise.all([
        forceLogout(other.deps, operatorContext, seeded.tenantId, seeded.staffId).then(() =>
          me(app, seeded.accessToken),
        ),
        ...crowd,
      ]);
      expect(next.status).toBe(401);
    }
  });

  it('of a staff member of another tenant finds nobody', async () => {
    const [seeded, stranger] = [await seedTestUserAndToken(), await seedTestUserAndToken()];
    const crossed = forceLogout(other.deps, operatorContext, stranger.tenantId, seeded.staffId);
    await expect(crossed).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expectSignedIn(app, seeded);
  });
});

describe('last_seen_at', () => {
  async function lastSeen({ sessionId }: SeededAuth): Promise<number> {
    const [row] = await db.select().from(userSessions).where(eq(userSessions.id, sessionId));
    return row?.lastSeenAt.getTime() ?? 0;
  }

  it('is moved on by a request, at most once a minute', async () => {
    const { app: aged, clock, deps } = openNode();
    const seeded = await seedTestUserAndToken();
    const signedIn = await lastSeen(seeded);
    clock.advance(50);
    expect((await me(aged, seeded.accessToken)).status).toBe(200);
    await deps.sessionCheck.settle();
    expect(await lastSeen(seeded)).toBe(signedIn);
    clock.advance(11);
    expect((await me(aged, seeded.accessToken)).status).toBe(200);
    const touched = await pollUntil(
      'last_seen_at moves on',
      () => lastSeen(seeded),
      (seen) => seen > signedIn,
    );
    expect(touched).toBeGreaterThanOrEqual(signedIn + 61_000);
    clock.advance(55);
    expect((await me(aged, seeded.accessToken)).status).toBe(200);
    await deps.sessionCheck.settle();
    expect(await lastSeen(seeded)).toBe(touched);
  });

  it('is moved on by a refresh', async () => {
    const { app: aged, clock } = openNode();
    const seeded = await seedTestUserAndToken();
    clock.advance(3600);
    expect((await refresh(aged, seeded.refreshToken)).status).toBe(200);
    expect(await lastSeen(seeded)).toBeGreaterThan(Date.now() + 3_500_000);
  });

  it('is not moved by a token that is refused', async () => {
    const { app: aged, clock, deps } = openNode();
    const seeded = await seedTestUserAndToken();
    const before = await lastSeen(seeded);
    await setStaffStatus(seeded.staffId, 'disabled');
    clock.advance(120);
    expect((await me(aged, seeded.accessToken)).status).toBe(401);
    await deps.sessionCheck.settle();
    expect(await lastSeen(seeded)).toBe(before);
  });
});
