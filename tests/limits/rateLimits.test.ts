import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import request from 'supertest';
import type { Response } from 'supertest';
import { routeTable } from '@/server/createApp';
import { db } from '@/server/db';
import { describeApi } from '@/server/http/openApi';
import { rateLimits } from '@/server/db/schema';
import { runMaintenance } from '@/server/bootstrap/maintenance';
import { cookieOf, fromAddress, login, me, refresh } from '@/tests/helpers/http/authCalls';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { WINDOW_SEC, openLimitedNode, quotas } from '@/tests/helpers/server/limitedNode';
import { visibleAnswer } from '@/tests/helpers/http/visibleAnswer';
import { memoryLog } from '@/tests/helpers/server/memoryLog';
import type { Node } from '@/tests/helpers/server/openNode';
import { buildApp } from '@/tests/helpers/server/testApp';

type Methods = Record<string, { security?: object[] }>;

const statusesOf = async (sent: PromiseLike<Response>[]) =>
  (await Promise.all(sent)).map(({ status }) => status);
const count = (statuses: number[], status: number) =>
  statuses.filter((one) => one === status).length;
const times = <T>(many: number, make: (index: number) => T): T[] =>
  Array.from({ length: many }, (_none, index) => make(index));

let hosts = 0;
/** An address that no other test has used. */
const freshAddress = () => `198.51.100.${(hosts += 1)}`;
const wrongRefresh = ({ app }: Pick<Node, 'app'>, address: string) =>
  refresh(app, 'ghr_unknown', fromAddress(address));

const rowsNow = async () => {
  const { rows } = await db.execute(sql`SELECT xmin::text, * FROM rate_limits ORDER BY 2, 3`);
  return rows;
};

beforeEach(() => db.delete(rateLimits));

describe('a quota that two nodes share', () => {
  it('lets exactly 20 of 50 parallel requests of one address pass', async () => {
    const nodes = [openLimitedNode({ address: 20 }), openLimitedNode({ address: 20 })];
    const address = freshAddress();
    const statuses = await statusesOf(
      times(50, (index) => wrongRefresh(nodes[index % 2] as Node, address)),
    );
    expect([count(statuses, 401), count(statuses, 429)]).toStrictEqual([20, 30]);
  });

  it('lets exactly 20 of 50 parallel requests of one account pass', async () => {
    const nodes = [openLimitedNode({ account: 20 }), openLimitedNode({ account: 20 })];
    const { accessToken } = await seedTestUserAndToken();
    const statuses = await statusesOf(
      times(50, (index) => me((nodes[index % 2] as Node).app, accessToken)),
    );
    expect([count(statuses, 200), count(statuses, 429)]).toStrictEqual([20, 30]);
  });

  it('lets exactly 20 of 50 parallel requests of five members of one tenant pass', async () => {
    const nodes = [openLimitedNode({ tenant: 20 }), openLimitedNode({ tenant: 20 })];
    const { tenantId } = await seedTestUserAndToken();
    const members = await Promise.all(times(5, () => seedTestUserAndToken({ tenantId })));
    const statuses = await statusesOf(
      times(50, (index) =>
        me((nodes[index % 2] as Node).app, members[index % 5]?.accessToken ?? ''),
      ),
    );
    expect([count(statuses, 200), count(statuses, 429)]).toStrictEqual([20, 30]);
  });

  it('is never exceeded by the tokens that nodes have leased', async () => {
    const nodes = times(3, () => openLimitedNode({ address: 100 }));
    const address = freshAddress();
    const statuses: number[] = [];
    for (let round = 0; round < 8; round += 1) {
      const sent = times(20, (index) => wrongRefresh(nodes[(round + index) % 3] as Node, address));
      statuses.push(...(await statusesOf(sent)));
    }
    const passed = count(statuses, 401);
    expect(passed).toBeLessThanOrEqual(100);
    expect(passed).toBeGreaterThan(90);
  });

  it('costs no further statement once it is used up', async () => {
    const node = openLimitedNode({ address: 3 });
    const address = freshAddress();
    await statusesOf(times(4, () => wrongRefresh(node, address)));
    const before = await rowsNow();
    expect(await statusesOf(times(20, () => wrongRefresh(node, address)))).toStrictEqual(
      times(20, () => 429),
    );
    expect(await rowsNow()).toStrictEqual(before);
  });
});

describe('the answers', () => {
  it('say what the policy is, and what is left of it', async () => {
    const node = openLimitedNode({ account: 5, tenant: 50 });
    const { accessToken } = await seedTestUserAndToken();
    const first = await me(node.app, accessToken);
    const second = await me(node.app, accessToken);
    expect(first.headers['ratelimit-policy']).toBe(
      `"account";q=5;w=${WINDOW_SEC}, "tenant";q=50;w=${WINDOW_SEC}`,
    );
    expect(first.headers['ratelimit']).toMatch(/^"account";r=4;t=\d+, "tenant";r=49;t=\d+$/);
    expect(second.headers['ratelimit']).toMatch(/^"account";r=3;t=\d+, "tenant";r=48;t=\d+$/);
  });

  it('past the quota are 429 RATE_LIMITED with the time to wait', async () => {
    const node = openLimitedNode({ address: 1 });
    const address = freshAddress();
    await wrongRefresh(node, address);
    const refused = await wrongRefresh(node, address);
    expect(refused.status).toBe(429);
    expect(refused.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(refused.body).toMatchObject({
      error: 'RATE_LIMITED',
      status: 429,
      violatedPolicies: ['address'],
    });
    const wait = refused.headers['retry-after'];
    expect(refused.headers['ratelimit']).toBe(`"address";r=0;t=${wait}`);
    expect(Number(wait)).toBeGreaterThan(WINDOW_SEC - 60);
  });

  it('come before the body is parsed', async () => {
    const node = openLimitedNode({ address: 1 });
    const address = freshAddress();
    const malformed = () =>
      request(node.app)
        .post('/api/auth/login')
        .set({ ...fromAddress(address), 'content-type': 'application/json' })
        .send('{');
    expect([(await malformed()).status, (await malformed()).status]).toStrictEqual([400, 429]);
  });

  it('to logins of unknown and known people differ in no header but the count', async () => {
    const node = openLimitedNode({ address: 100, account: 100, tenant: 100 });
    const { email } = await seedTestUserAndToken();
    const shown = async (who: string) => {
      const answer = await login(
        node.app,
        { email: who, password: 'not the right password' },
        fromAddress(freshAddress()),
      );
      return visibleAnswer(answer);
    };
    const known = await shown(email);
    expect(known.headers['ratelimit']).toMatch(/^"address";r=99;t=\d+$/);
    expect(await shown(`nobody-${randomUUID()}@example.com`)).toStrictEqual(known);
  });

  it('of health checks, metrics, keys and the API description carry no limit', async () => {
    const node = openLimitedNode({ address: 1 });
    const address = fromAddress(freshAddress());
    for (const path of ['/health/live', '/health/ready', '/.well-known/jwks.json', '/openapi.json'])
      for (let turn = 0; turn < 3; turn += 1) {
        const answer = await request(node.app).get(path).set(address);
        expect([path, answer.status]).toStrictEqual([path, 200]);
        expect(answer.headers).not.toHaveProperty('ratelimit');
      }
  });

  it('carry no limit if all limits are 0', async () => {
    const { accessToken } = await seedTestUserAndToken();
    const answer = await me(openLimitedNode({}).app, accessToken);
    expect(answer.status).toBe(200);
    expect(answer.headers).not.toHaveProperty('ratelimit');
  });
});

describe('every route that needs a session', () => {
  it('counts a signed-in caller by account and tenant, and nobody else', async () => {
    const { app, deps } = openLimitedNode({ address: 5000, account: 5000, tenant: 5000 });
    const { accessToken } = await seedTestUserAndToken();
    const { paths } = await describeApi(routeTable(deps), {
      version: '0',
      url: undefined,
      tags: {},
    });
    const uncounted: string[] = [];
    for (const [path, methods] of Object.entries(paths)) {
      for (const [method, { security }] of Object.entries(methods as Methods)) {
        if (!security?.length || security.some((way) => !('bearer' in way))) continue;
        // Their session ends with the request.
        if (path === '/api/auth/logout-all') continue;
        const url = path.replaceAll(/\{\w+\}/g, randomUUID());
        const answer = await request(app)
          [method as 'get'](url)
          .set('authorization', `Bearer ${accessToken}`);
        const policies = String(answer.headers['ratelimit-policy']);
        if (!/^"account";.*"tenant";/.test(policies)) uncounted.push(`${method} ${path}`);
      }
    }
    expect(uncounted).toStrictEqual([]);
  });

  it('counts a request without a token by address, once', async () => {
    const { app } = openLimitedNode({ address: 5, account: 5 });
    const from = fromAddress(freshAddress());
    const answers = [
      await request(app).get('/api/auth/me').set(from),
      await request(app).post('/api/security/totp/enroll').set(from),
      await request(app).post('/api/auth/logout').set(from),
      await request(app)
        .post('/api/auth/refresh')
        .set({ ...from, authorization: 'Bearer x' }),
    ];
    expect(answers.map(({ headers }) => headers['ratelimit'])).toEqual(
      [4, 3, 2, 1].map((left) => expect.stringMatching(new RegExp(`^"address";r=${left};t=`))),
    );
  });
});

describe('the account and its tenant', () => {
  it('are counted by the person, whatever address they send from', async () => {
    const node = openLimitedNode({ account: 2, address: 1 });
    const { accessToken } = await seedTestUserAndToken();
    const from = () => me(node.app, accessToken).set(fromAddress(freshAddress()));
    expect(await statusesOf([from(), from(), from()])).toStrictEqual([200, 200, 429]);
  });

  it('do not share: requests refused to one member leave the quota of the tenant alone', async () => {
    const node = openLimitedNode({ account: 2, tenant: 10 });
    const loud = await seedTestUserAndToken();
    const quiet = await seedTestUserAndToken({ tenantId: loud.tenantId });
    const flood = await statusesOf(times(40, () => me(node.app, loud.accessToken)));
    expect(count(flood, 200)).toBe(2);
    const answer = await me(node.app, quiet.accessToken);
    expect(answer.status).toBe(200);
    expect(answer.headers['ratelimit']).toMatch(/"tenant";r=7;/);
  });

  it('of another tenant keep their whole quota during a flood', async () => {
    const node = openLimitedNode({ tenant: 10 });
    const [loud, quiet] = [await seedTestUserAndToken(), await seedTestUserAndToken()];
    const flood = times(100, () => me(node.app, loud.accessToken));
    const calm = times(10, () => me(node.app, quiet.accessToken));
    const [flooded, calmed] = [await statusesOf(flood), await statusesOf(calm)];
    expect(count(flooded, 200)).toBe(10);
    expect(calmed).toStrictEqual(times(10, () => 200));
  });
});

describe('the address', () => {
  it('stands for the whole /64 of an IPv6 subscriber', async () => {
    const node = openLimitedNode({ address: 2 });
    const from = (address: string) => wrongRefresh(node, address);
    const same = await statusesOf([1, 2, 3].map((host) => from(`2001:db8:7:7::${host}`)));
    expect(count(same, 429)).toBe(1);
    expect((await from('2001:db8:7:8::1')).status).toBe(401);
  });

  it('of a proxy that hides its clients is not counted', async () => {
    const node = openLimitedNode({ address: 1 });
    const hidden = times(5, () => wrongRefresh(node, 'unknown'));
    expect(await statusesOf(hidden)).toStrictEqual(times(5, () => 401));
  });

  it('under a flood does not keep out a device on which its owner has signed in', async () => {
    const node = openLimitedNode({ address: 5 });
    const owner = await seedTestUserAndToken();
    const cookie = cookieOf(await login(node.app, owner, fromAddress(freshAddress())), 'gh_device');
    const address = fromAddress(freshAddress());
    await statusesOf(times(6, () => refresh(node.app, 'ghr_unknown', address)));
    const [id] = cookie.split('.');
    const forged = `${id}.AAAAAAAAAAAAAAAAAAAAAA`;
    const as = (headers: object) => login(node.app, owner, { ...address, ...headers });
    expect(await statusesOf([as({}), as({ cookie: forged }), as({ cookie })])).toStrictEqual([
      429, 429, 200,
    ]);
    const flood = times(10, () => as({ cookie }));
    expect(count(await statusesOf(flood), 429)).toBeGreaterThan(0);
  });

  it('is stored and logged nowhere', async () => {
    const { lines, logger } = memoryLog();
    const { app, deps } = buildApp(quotas({ address: 1 }), { logger });
    const address = freshAddress();
    await statusesOf(times(3, () => wrongRefresh({ app }, address)));
    expect(JSON.stringify(await rowsNow())).not.toContain(address);
    const refused = lines.filter((line) => 'rateLimited' in line);
    expect(refused).toHaveLength(2);
    expect(refused[0]).toMatchObject({ route: '/api/auth/refresh', rateLimited: ['address'] });
    expect(await deps.metrics.registry.metrics()).toContain(
      'gatehouse_rate_limited_total{policy="address"} 2',
    );
  });
});

describe('the table of the buckets', () => {
  it('may be missing: requests are let through, with one line in the log', async () => {
    const { lines, logger } = memoryLog();
    const { app, deps } = buildApp(quotas({ address: 1 }), { logger });
    const address = freshAddress();
    await db.execute(sql`ALTER TABLE rate_limits RENAME TO rate_limits_gone`);
    try {
      for (let turn = 0; turn < 8; turn += 1) {
        const answer = await wrongRefresh({ app }, address);
        expect(answer.status).toBe(401);
        expect(answer.headers).not.toHaveProperty('ratelimit');
      }
    } finally {
      await db.execute(sql`ALTER TABLE rate_limits_gone RENAME TO rate_limits`);
    }
    expect(lines.filter(({ code }) => code === 'RATE_LIMITS_SKIPPED')).toHaveLength(1);
    expect(await deps.metrics.registry.metrics()).toContain(
      'gatehouse_rate_limits_skipped_total 8',
    );
  });

  it('loses the buckets that have been full for an hour, and no others', async () => {
    const bucket = { scope: 'address' as const, tokens: 1, asked: 1, granted: 1 };
    const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000);
    await db.insert(rateLimits).values([
      { ...bucket, subject: 'old', refillsAt: ago(61) },
      { ...bucket, subject: 'young', refillsAt: ago(59) },
    ]);
    await runMaintenance(openLimitedNode({}).deps);
    expect((await rowsNow()).map(({ subject }) => subject)).toStrictEqual(['young']);
  });
});
