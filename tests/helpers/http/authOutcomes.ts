import type { Express } from 'express';
import { me, refresh } from './authCalls';

interface SignedIn {
  accessToken: string;
  refreshToken: string;
}

/** Expects that a refresh is refused without a reason, and that nothing else is revoked by it. */
export async function expectInvalidToken(app: Express, refreshToken: unknown): Promise<void> {
  const res = await refresh(app, refreshToken);
  expect(res.status).toBe(401);
  expect(res.headers['content-type']).toMatch(/^application\/json/);
  expect(res.body).toStrictEqual({ error: 'INVALID_REFRESH_TOKEN' });
}

/** Expects that a refresh is treated as a theft. */
export async function expectReuse(app: Express, refreshToken: string | undefined): Promise<void> {
  const res = await refresh(app, refreshToken);
  expect(res.status).toBe(401);
  expect(res.body).toStrictEqual({ error: 'FORCE_LOGOUT', reason: 'reuse_detected' });
}

export async function expectSignedOut(app: Express, who: SignedIn): Promise<void> {
  const res = await me(app, who.accessToken);
  expect(res.status).toBe(401);
  expect(res.headers['www-authenticate']).toBe('Bearer error="invalid_token"');
  await expectInvalidToken(app, who.refreshToken);
}

/** Expects that both tokens report that the session was ended, with this reason. */
export async function expectForcedOut(
  app: Express,
  who: SignedIn,
  reason: 'reuse_detected' | 'security_event' | 'force_logout',
): Promise<void> {
  const [asked, refreshed] = [await me(app, who.accessToken), await refresh(app, who.refreshToken)];
  for (const res of [asked, refreshed]) {
    expect(res.status).toBe(401);
    expect(res.headers['content-type']).toMatch(/^application\/json/);
    expect(res.body).toStrictEqual({ error: 'FORCE_LOGOUT', reason });
  }
  expect(asked.headers['www-authenticate']).toBe('Bearer error="invalid_token"');
}

export async function expectSignedIn(app: Express, who: SignedIn): Promise<void> {
  expect((await me(app, who.accessToken)).status).toBe(200);
  expect((await refresh(app, who.refreshToken)).status).toBe(200);
}
