import { forceLogout } from '@/server/tenants';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { login, logout, me, refresh, refreshWithKey } from '@/tests/helpers/http/authCalls';
import { expectForcedOut } from '@/tests/helpers/http/authOutcomes';
import {
  auditOf,
  liveTokensOf,
  sessionsOf,
  tokensOf,
  versionOf,
  withoutTable,
} from '@/tests/helpers/database/authRows';
import { holdToken, untilWaiting } from '@/tests/helpers/database/heldToken';
import { openNode, operatorContext } from '@/tests/helpers/server/openNode';
import type { Node } from '@/tests/helpers/server/openNode';

/** A node that has not noticed yet that a table is missing, as when it disappears at run time. */
let node: Node;
beforeEach(() => {
  node = openNode();
});

const duringOutage = <T>(work: () => Promise<T>) => withoutTable('user_sessions', work);

const endSessionsOf = ({ tenantId, staffId }: SeededAuth) =>
  forceLogout(node.deps, operatorContext, tenantId, staffId);

const DEGRADED = {
  accessToken: expect.any(String),
  refreshToken: expect.stringMatching(/^ghr_[\w-]{43}$/),
  requiresStepUp: false,
  tokenType: 'Bearer',
  expiresIn: 300,
  refreshExpiresAt: expect.any(String),
  degraded: true,
};

describe('while user_sessions is missing', () => {
  it('a login answers 200, says that it was degraded, and its token works', async () => {
    const seeded = await seedTestUserAndToken();
    await duringOutage(async () => {
      const res = await login(node.app, seeded);
      expect(res.status).toBe(200);
      expect(res.body).toStrictEqual({ ...DEGRADED, sessionId: null });
      const session = await me(node.app, res.body.accessToken);
      expect(session.status).toBe(200);
      expect(session.body).toMatchObject({ staffId: seeded.staffId, sessionId: null });
    });
    expect(await sessionsOf(seeded.staffId)).toHaveLength(1);
  });

  it('a login goes on answering 200 once the outage is known, and a wrong password 401', async () => {
    const seeded = await seedTestUserAndToken();
    await duringOutage(async () => {
      await node.deps.schemaGuard.check();
      expect((await login(node.app, seeded)).body.degraded).toBe(true);
      const wrong = await login(node.app, { ...seeded, password: 'a wrong password' });
      expect(wrong.status).toBe(401);
      expect(wrong.body).toStrictEqual({ error: 'INVALID_CREDENTIALS' });
    });
  });

  it('the log says of the login and of the refresh that they were degraded', async () => {
    const seeded = await seedTestUserAndToken();
    await duringOutage(async () => {
      const { refreshToken } = (await login(node.app, seeded)).body;
      await refresh(node.app, refreshToken);
    });
    expect(await auditOf('AUTH_LOGIN_SUCCEEDED', seeded.tenantId)).toMatchObject([
      { subject: `staff:${seeded.staffId}`, sessionId: null, details: { degraded: true } },
    ]);
    expect(await auditOf('AUTH_TOKEN_REFRESH', seeded.tenantId)).toMatchObject([
      { details: { degraded: true } },
    ]);
  });

  it('a token from before refreshes with 200, degraded, again and again', async () => {
    const seeded = await seedTestUserAndToken();
    await duringOutage(async () => {
      const first = await refresh(node.app, seeded.refreshToken);
      expect(first.status).toBe(200);
      expect(first.body).toStrictEqual({ ...DEGRADED, sessionId: seeded.sessionId });
      const second = await refresh(node.app, first.body.refreshToken);
      expect(second.status).toBe(200);
      expect(second.body.degraded).toBe(true);
      expect((await me(node.app, second.body.accessToken)).status).toBe(200);
    });
  });

  it('a token of a degraded login refreshes with 200, degraded', async () => {
    const seeded = await seedTestUserAndToken();
    await duringOutage(async () => {
      const { refreshToken } = (await login(node.app, seeded)).body;
      const res = await refresh(node.app, refreshToken);
      expect(res.status).toBe(200);
      expect(res.body).toStrictEqual({ ...DEGRADED, sessionId: null });
      expect((await me(node.app, res.body.accessToken)).status).toBe(200);
    });
  });

  it('an access token from before goes on working', async () => {
    const seeded = await seedTestUserAndToken();
    expect((await me(node.app, seeded.accessToken)).status).toBe(200);
    await duringOutage(async () => {
      expect((await me(node.app, seeded.accessToken)).status).toBe(200);
    });
  });

  it('a force logout kills degraded tokens and those from before, access and refresh', async () => {
    const seeded = await seedTestUserAndToken();
    await duringOutage(async () => {
      const { accessToken, refreshToken } = (await login(node.app, seeded)).body;
      await endSessionsOf(seeded);
      await expectForcedOut(node.app, { accessToken, refreshToken }, 'force_logout');
      await expectForcedOut(node.app, seeded, 'force_logout');
    });
    expect(await versionOf(seeded.staffId)).toBe(2);
    await node.deps.schemaGuard.check();
    // The session row could not be marked, so the version alone must hold once the table is back.
    await expectForcedOut(node.app, seeded, 'force_logout');
  });

  it('a refresh that a force logout overtakes leaves no token that works', async () => {
    const seeded = await seedTestUserAndToken();
    await duringOutage(async () => {
      const release = await holdToken(seeded.refreshTokenId);
      const refreshing = refresh(node.app, seeded.refreshToken).then((res) => res);
      await untilWaiting(1);
      const ending = endSessionsOf(seeded);
      await untilWaiting(2);
      await release();
      const [{ body, status }] = await Promise.all([refreshing, ending]);
      expect(status).toBe(200);
      expect((await me(node.app, body.accessToken)).status).toBe(401);
      expect((await refresh(node.app, body.refreshToken)).status).toBe(401);
    });
  });

  it('a replayed token still ends its family and raises the version', async () => {
    const seeded = await seedTestUserAndToken();
    await duringOutage(async () => {
      const { refreshToken } = (await login(node.app, seeded)).body;
      const rotated = (await refresh(node.app, refreshToken)).body;
      const replayed = await refresh(node.app, refreshToken);
      expect(replayed.status).toBe(401);
      expect(replayed.body).toStrictEqual({ error: 'FORCE_LOGOUT', reason: 'reuse_detected' });
      expect((await me(node.app, rotated.accessToken)).status).toBe(401);
      expect((await refresh(node.app, rotated.refreshToken)).status).toBe(401);
    });
    expect(await liveTokensOf(seeded.staffId)).toHaveLength(0);
    expect(await versionOf(seeded.staffId)).toBe(2);
  });

  it('a lost answer is given again', async () => {
    const seeded = await seedTestUserAndToken();
    await duringOutage(async () => {
      const { refreshToken } = (await login(node.app, seeded)).body;
      const lost = await refreshWithKey(node.app, refreshToken, 'key-1');
      const again = await refreshWithKey(node.app, refreshToken, 'key-1');
      expect(again.status).toBe(200);
      expect(again.body.refreshToken).toBe(lost.body.refreshToken);
    });
  });

  it('a logout ends the refresh token of this login and no other', async () => {
    const seeded = await seedTestUserAndToken();
    await duringOutage(async () => {
      const [one, other] = [await login(node.app, seeded), await login(node.app, seeded)];
      expect((await logout(node.app, one.body.accessToken)).status).toBe(204);
      expect((await refresh(node.app, one.body.refreshToken)).status).toBe(401);
      expect((await refresh(node.app, other.body.refreshToken)).status).toBe(200);
    });
  });

  it('scoring is off, and each skipped check is written down', async () => {
    const seeded = await seedTestUserAndToken();
    await duringOutage(async () => {
      await node.deps.schemaGuard.check();
      await login(node.app, seeded);
    });
    expect(await auditOf('ANOMALY_CHECK_SKIPPED', seeded.tenantId)).toMatchObject([
      { details: { at: 'login', cause: 'schema_missing_tables' } },
    ]);
  });
});

describe('when user_sessions is back', () => {
  const degradedLogin = (seeded: SeededAuth) =>
    duringOutage(async () => (await login(node.app, seeded)).body);

  it('a degraded refresh token gets a session, which lives and dies like any other', async () => {
    const seeded = await seedTestUserAndToken();
    const { refreshToken } = await degradedLogin(seeded);
    await node.deps.schemaGuard.check();
    const res = await refresh(node.app, refreshToken);
    expect(res.status).toBe(200);
    expect(res.body.degraded).toBeUndefined();
    const made = (await sessionsOf(seeded.staffId)).filter(({ id }) => id !== seeded.sessionId);
    expect(made).toMatchObject([{ id: res.body.sessionId, revokedAt: null, sessionVersion: 1 }]);
    expect((await me(node.app, res.body.accessToken)).body.sessionId).toBe(res.body.sessionId);
    expect((await refresh(node.app, res.body.refreshToken)).status).toBe(200);
    await endSessionsOf(seeded);
    expect((await me(node.app, res.body.accessToken)).status).toBe(401);
  });

  it('a token from before keeps the session it had', async () => {
    const seeded = await seedTestUserAndToken();
    const { refreshToken } = await duringOutage(
      async () => (await refresh(node.app, seeded.refreshToken)).body,
    );
    await node.deps.schemaGuard.check();
    const res = await refresh(node.app, refreshToken);
    expect(res.status).toBe(200);
    expect(res.body.sessionId).toBe(seeded.sessionId);
    expect(res.body.degraded).toBeUndefined();
    expect(await sessionsOf(seeded.staffId)).toHaveLength(1);
  });

  it('a degraded access token works to its end, under the version alone', async () => {
    const seeded = await seedTestUserAndToken();
    const { accessToken } = await degradedLogin(seeded);
    await node.deps.schemaGuard.check();
    expect((await me(node.app, accessToken)).status).toBe(200);
    await endSessionsOf(seeded);
    expect((await me(node.app, accessToken)).status).toBe(401);
  });

  it('two refreshes of a degraded token at once make one session and one successor', async () => {
    const seeded = await seedTestUserAndToken();
    const { refreshToken } = await degradedLogin(seeded);
    await node.deps.schemaGuard.check();
    const degraded = (await tokensOf(seeded.staffId)).find(({ sessionId }) => sessionId === null);
    const release = await holdToken(degraded?.id ?? '');
    const refreshes = Promise.all([1, 2].map(() => refresh(node.app, refreshToken)));
    await untilWaiting(2);
    await release();
    const statuses = (await refreshes).map(({ status }) => status).sort();
    expect(statuses).toStrictEqual([200, 401]);
    const made = (await sessionsOf(seeded.staffId)).filter(({ id }) => id !== seeded.sessionId);
    expect(made).toHaveLength(1);
    expect(await tokensOf(seeded.staffId)).toHaveLength(3);
  });
});
