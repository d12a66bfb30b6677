import { sql } from 'drizzle-orm';
import type { Express } from 'express';
import type { Response } from 'supertest';
import { db } from '@/server/db';
import { rateLimits } from '@/server/db/schema';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import { makeApiKey, makeServiceKey, withKey } from '@/tests/helpers/people/programs';
import { me } from '@/tests/helpers/http/authCalls';
import { openLimitedNode } from '@/tests/helpers/server/limitedNode';
import type { Node } from '@/tests/helpers/server/openNode';

const QUOTA = 20;
const quotas = { key: QUOTA, account: 200, tenant: 500 };
const openTwo = (): [Node, Node] => [openLimitedNode(quotas), openLimitedNode(quotas)];

type Send = (app: Express) => PromiseLike<Response>;
const listMembers =
  (key: string): Send =>
  (app) =>
    withKey(app, key).get('/api/tenants/staff');
const self =
  (key: string): Send =>
  (app) =>
    withKey(app, key).get('/api/service/self');

/** Sends fifty parallel requests to two nodes. @returns how many passed, and how many did not */
async function flood(nodes: [Node, Node], send: Send): Promise<[number, number]> {
  const answers = await Promise.all(
    nodes.flatMap(({ app }) => Array.from({ length: 25 }, () => send(app))),
  );
  const count = (status: number) => answers.filter((answer) => answer.status === status).length;
  return [count(200), count(429)];
}

beforeEach(() => db.delete(rateLimits));

describe('a key of a program', () => {
  it('of a tenant has one quota at two nodes, and another key of its holder has its own', async () => {
    const nodes = openTwo();
    const admin = await seedAdministrator();
    const [one, other] = [
      await makeApiKey(nodes[0].app, admin),
      await makeApiKey(nodes[0].app, admin),
    ];
    expect(await flood(nodes, listMembers(one.key))).toStrictEqual([QUOTA, 30]);
    expect(await flood(nodes, listMembers(other.key))).toStrictEqual([QUOTA, 30]);
  });

  it('counts for its tenant, and not for the account of its holder', async () => {
    const nodes = openTwo();
    const admin = await seedAdministrator();
    const { key } = await makeApiKey(nodes[0].app, admin);
    await db.delete(rateLimits);
    const [fresh] = openTwo();
    const answer = await listMembers(key)(fresh.app);
    expect(answer.headers['ratelimit']).toMatch(/^"key";r=19;t=\d+, "tenant";r=499;t=\d+$/);
    const holder = await me(fresh.app, admin.accessToken);
    expect(holder.headers['ratelimit']).toMatch(/^"account";r=199;t=\d+, "tenant";r=498;t=\d+$/);
  });

  it('past its quota leaves that of its tenant to the others', async () => {
    const nodes: [Node, Node] = [
      openLimitedNode({ key: 5, tenant: 30 }),
      openLimitedNode({ key: 5, tenant: 30 }),
    ];
    const admin = await seedAdministrator();
    const { key } = await makeApiKey(nodes[0].app, admin);
    await db.delete(rateLimits);
    expect(await flood(nodes, listMembers(key))).toStrictEqual([5, 45]);
    expect((await me(nodes[1].app, admin.accessToken)).status).toBe(200);
  });

  it('of the team has one quota at two nodes, and another key has its own', async () => {
    const nodes = openTwo();
    for (const key of [
      await makeServiceKey(nodes[0].deps, ['introspect']),
      await makeServiceKey(nodes[0].deps, ['introspect']),
    ]) {
      expect(await flood(nodes, self(key))).toStrictEqual([QUOTA, 30]);
    }
    const { rows } = await db.execute(sql`SELECT DISTINCT scope FROM rate_limits`);
    expect(rows).toStrictEqual([{ scope: 'key' }]);
  });

  it('of the team counts also for requests that its scopes do not allow', async () => {
    const [{ app, deps }] = openTwo();
    const key = await makeServiceKey(deps, ['introspect']);
    const refused = await withKey(app, key).get('/api/service/tenants');
    expect([refused.status, refused.headers['ratelimit']]).toEqual([
      403,
      expect.stringMatching(/^"key";r=19;t=\d+$/),
    ]);
  });
});
