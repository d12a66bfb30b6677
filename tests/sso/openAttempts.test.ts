import { and, eq, isNotNull, sql } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { ssoAttempts } from '@/server/db/schema';
import { comeBack, federate, openSsoNode, start } from '@/tests/helpers/sso/ssoBrowser';
import { startForger } from '@/tests/helpers/sso/forger';

const MOST_OPEN = 100;

it('one address has at most 100 unfinished sign-ins at a tenant, refused ones among them', async () => {
  const forger = await startForger();
  const node = openSsoNode([forger.place]);
  const { connectionId, officer } = await federate(node.app, forger.origin);
  const from = (address: string) =>
    request(node.app)
      .post('/api/auth/sso/start')
      .set('x-forwarded-for', address)
      .send({ connectionId });
  const first = await start(node.app, connectionId);
  const ofTenant = eq(ssoAttempts.tenantId, officer.tenantId);
  const [row] = await db.select().from(ssoAttempts).where(ofTenant);
  if (!row) throw new Error('there is no attempt');
  await db.insert(ssoAttempts).values(
    Array.from({ length: MOST_OPEN - 1 }, (_, n) => ({
      ...{ ...row, id: undefined },
      ...{ stateHash: Buffer.from(`s${n}`), cookieHash: Buffer.from(`c${n}`) },
    })),
  );
  const again = () => request(node.app).post('/api/auth/sso/start').send({ connectionId });
  const refused = await again();
  expect([refused.status, refused.body.error]).toEqual([429, 'TOO_MANY_SSO_ATTEMPTS']);
  expect(refused.headers['retry-after']).toBe('600');
  expect((await from('203.0.113.9')).status).toBe(200);
  const other = await federate(node.app, forger.origin);
  await start(node.app, other.connectionId);
  // A refused one still counts: strangers could fill the log, and ask the provider, without end.
  const state = first.url.searchParams.get('state') ?? '';
  const back = `/api/auth/sso/callback/${connectionId}?error=access_denied&state=${state}`;
  await comeBack(node.app, back, first.cookie);
  expect((await again()).status).toBe(429);
  await db
    .update(ssoAttempts)
    .set({ outcome: 'done' })
    .where(and(ofTenant, isNotNull(ssoAttempts.finishedAt)));
  expect((await again()).status).toBe(200);
  expect((await again()).status).toBe(429);
  await db
    .update(ssoAttempts)
    .set({ expiresAt: sql`clock_timestamp()` })
    .where(ofTenant);
  expect((await again()).status).toBe(200);
});
