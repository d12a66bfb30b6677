import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import request from 'supertest';
import { routeTable } from '@/server/createApp';
import { AREAS } from '@/tests/helpers/isolation/areas';
import { seedMember } from '@/tests/helpers/isolation/seedTarget';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app, deps } = buildApp();

const routes = routeTable(deps).map(({ method, path }) => `${method} ${path}`);
const swept = Object.values(AREAS).flatMap((sweep) => Object.keys(sweep));

describe('the sweeps of all areas', () => {
  it('cover every route that there is, each once', () => {
    const missing = routes
      .filter((route) => !swept.includes(route))
      .map((route) => `${route}: add it to the sweep of its area in tests/helpers/isolation/`);
    expect(missing).toEqual([]);
    expect(swept.filter((route, at) => swept.indexOf(route) !== at)).toEqual([]);
  });

  it('cover no route that there is not', () => {
    expect(swept.filter((route) => !routes.includes(route))).toEqual([]);
  });

  it.each(Object.keys(AREAS))('have a test file of their own: %s', (area) => {
    const file = join(__dirname, 'isolation', `${area}Isolation.test.ts`);
    expect(readFileSync(file, 'utf8')).toContain(`sweepArea('${area}')`);
  });
});

it("another tenant's id in a token of ours beside my session opens nothing: 401", async () => {
  const me = await seedMember();
  const { tenantId } = await seedTestUserAndToken();
  const { accessToken } = deps.accessTokens.issue({
    userId: me.userId,
    tenantId,
    sid: me.sessionId,
    sessionVersion: 1,
    degraded: false,
  });
  const res = await request(app).get('/api/auth/me').set('authorization', `Bearer ${accessToken}`);
  expect(res.status).toBe(401);
});
