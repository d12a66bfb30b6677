import request from 'supertest';
import { createLogger } from '@/server/logger';
import { routeTable } from '@/server/createApp';
import { cookieOf } from '@/tests/helpers/http/authCalls';
import { liveSessionsOf, tablesHolding } from '@/tests/helpers/database/authRows';
import {
  OPTED_IN,
  TLS,
  cookieCalls,
  reusesOf,
  rotationsOf,
  setOf,
} from '@/tests/helpers/http/cookieCalls';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';
import { HOME, attemptLogin } from '@/tests/helpers/people/traveller';

const written: string[] = [];
const logger = createLogger(
  { logLevel: 'trace' },
  { write: (line: string) => void written.push(line) },
);
const { app, deps } = buildApp({}, { logger });
const { post, refreshBy, signIn } = cookieCalls(app);
const valueOf = (cookie: string) => cookie.split('=')[1] ?? '';
const ELSEWHERE: [string, Record<string, string>][] = [
  ['another site', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }],
  ['a neighbour on the same site', { 'sec-fetch-site': 'same-site' }],
  ['another origin in a browser without Sec-Fetch-Site', { origin: 'https://evil.example' }],
  ['an opaque origin', { origin: 'null' }],
];

describe('a page of another origin', () => {
  it.each(ELSEWHERE)('%s: neither spends nor removes the cookie', async (_who, headers) => {
    const { member, cookie } = await signIn();
    const res = await refreshBy(cookie, headers);
    expect([res.status, res.body.error]).toEqual([403, 'ORIGIN_REFUSED']);
    expect(setOf(res)).toEqual([]);
    expect(await rotationsOf(member.staffId)).toBe(0);
    const out = await post('/api/auth/logout', { cookie, ...headers });
    expect([out.status, out.body.error, setOf(out)]).toEqual([403, 'ORIGIN_REFUSED', []]);
    const own = { 'sec-fetch-site': 'same-origin' };
    expect((await refreshBy(cookie, own)).status).toBe(200);
  });

  it.each(ELSEWHERE)('%s: signs no browser in with the cookie', async (_who, headers) => {
    const member = await seedTestUserAndToken();
    const live = await liveSessionsOf(member.staffId);
    const res = await attemptLogin(app, member, { ...HOME, ...headers }, OPTED_IN);
    expect([res.status, res.body.error]).toEqual([403, 'ORIGIN_REFUSED']);
    expect(res.get('Set-Cookie')).toBeUndefined();
    expect(await liveSessionsOf(member.staffId)).toHaveLength(live.length);
  });

  it('changes nothing by GET', async () => {
    const { member, cookie } = await signIn();
    for (const path of ['refresh', 'logout', 'login'])
      await request(app)
        .get(`/api/auth/${path}`)
        .set({ ...HOME, cookie })
        .expect(405);
    expect(await rotationsOf(member.staffId)).toBe(0);
  });
});

describe('the refresh cookie outside of /api/auth', () => {
  it('opens no route, and no route spends it', async () => {
    const { member, cookie } = await signIn();
    const cookies = `${cookie}; __Host-${cookie}`;
    const own = ['/api/auth/refresh', '/api/auth/logout', '/api/auth/logout-all'];
    const others = routeTable(deps).filter(({ path }) => !own.includes(path));
    for (const { method, path } of others) {
      const url = path.replace(/:\w+/, '0');
      const bare = await request(app)[method](url).set(HOME).send({});
      const res = await request(app)
        [method](url)
        .set({ ...HOME, cookie: cookies })
        .send({});
      expect([path, res.status]).toEqual([path, bare.status]);
      expect(setOf(res)).toEqual([]);
    }
    expect(await rotationsOf(member.staffId)).toBe(0);
    expect((await refreshBy(cookie)).status).toBe(200);
  });

  it('is in no log line, no audit event and no table', async () => {
    const { member, cookie } = await signIn({}, TLS);
    const next = await refreshBy(cookie, TLS);
    await refreshBy(cookie, { ...TLS, ...ELSEWHERE[0]?.[1] });
    await post('/api/compliance/export/bundle', { ...TLS, cookie });
    await refreshBy(cookie, TLS);
    expect(await reusesOf(member.tenantId)).toBe(1);
    expect(written.length).toBeGreaterThan(0);
    for (const secret of [cookie, cookieOf(next, '__Host-refresh')].map(valueOf)) {
      expect(written.join('\n')).not.toContain(secret);
      expect(await tablesHolding(secret)).toEqual([]);
    }
  });
});
