import { randomBytes } from 'node:crypto';
import { sql } from 'drizzle-orm';
import type { Express } from 'express';
import type { Response } from 'supertest';
import { db } from '@/server/db';
import { rateLimits } from '@/server/db/schema';
import { makeKeyText } from '@/server/keyText';
import { fromAddress, login, logout, me, refresh } from '@/tests/helpers/http/authCalls';
import {
  change,
  readToken,
  serverKey,
  signWith,
  strangersKey,
} from '@/tests/helpers/http/forgeAccessToken';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import { makeApiKey, makeServiceKey, withKey } from '@/tests/helpers/people/programs';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { openLimitedNode } from '@/tests/helpers/server/limitedNode';

const QUOTA = 20;
const times = <T>(many: number, make: (index: number) => T): T[] =>
  Array.from({ length: many }, (_none, index) => make(index));
const count = (answers: readonly Response[], status: number) =>
  answers.filter((answer) => answer.status === status).length;

let hosts = 0;
/** The headers of an address that no other test has used. */
const freshAddress = () => fromAddress(`198.51.100.${(hosts += 1)}`);

/** Text that has the form and the checksum of a key, but belongs to none. */
const unknownKey = (kind: 's' | 't') => makeKeyText({ bytes: randomBytes }, kind);
const listMembers = (app: Express, key: string) => withKey(app, key).get('/api/tenants/staff');
const self = (app: Express, key: string) => withKey(app, key).get('/api/service/self');
const tryUnknownKeys = (app: Express, from: Record<string, string>, many: number) =>
  Promise.all(times(many, () => listMembers(app, unknownKey('t')).set(from)));

beforeEach(() => db.delete(rateLimits));

describe('refused credentials', () => {
  it('of an address: exactly 20 of 50 that try unknown keys at two nodes get 401', async () => {
    const nodes = [openLimitedNode({ address: QUOTA }), openLimitedNode({ address: QUOTA })];
    const from = freshAddress();
    const answers = await Promise.all(
      nodes.flatMap(({ app }) => times(25, () => listMembers(app, unknownKey('t')).set(from))),
    );
    expect([count(answers, 401), count(answers, 429)]).toStrictEqual([QUOTA, 30]);
    const refused = answers.find(({ status }) => status === 429);
    expect(refused?.body).toMatchObject({ error: 'RATE_LIMITED', violatedPolicies: ['address'] });
  });

  it('of every kind count, each once', async () => {
    const { app, deps } = openLimitedNode({ address: QUOTA });
    const admin = await seedAdministrator();
    const made = await makeApiKey(app, admin);
    const elsewhere = await makeServiceKey(deps, ['introspect'], { addresses: ['203.0.113.9'] });
    await db.execute(sql`UPDATE api_keys SET revoked_at = now() WHERE id = ${made.id}`);
    const forged = signWith(strangersKey(), readToken(admin.accessToken));
    const from = freshAddress();
    const answers = [
      await self(app, unknownKey('s')).set(from),
      await listMembers(app, made.key).set(from),
      await me(app, forged).set(from),
      await me(app, 'nonsense').set(from),
      await me(app, unknownKey('t')).set(from),
      await self(app, elsewhere).set(from),
    ];
    expect(
      answers.map(({ status, headers }) => `${status} ${String(headers['ratelimit'])}`),
    ).toEqual(
      [401, 401, 401, 401, 403, 403].map((status, index) =>
        expect.stringMatching(`^${status} "address";r=${QUOTA - 1 - index};t=`),
      ),
    );
  });

  it('write nothing to the database once the limit is reached', async () => {
    const { app } = openLimitedNode({ address: 3 });
    const from = freshAddress();
    await tryUnknownKeys(app, from, 5);
    const rows = async () =>
      (await db.execute(sql`SELECT xmin::text, * FROM rate_limits ORDER BY 2, 3`)).rows;
    const before = await rows();
    expect(count(await tryUnknownKeys(app, from, 20), 429)).toBe(20);
    expect(await rows()).toStrictEqual(before);
  });

  it('past the limit are looked up in the slow line, and no others are', async () => {
    const { app, deps } = openLimitedNode({ address: 3 });
    const find = jest.spyOn(deps.tenantKeys, 'find');
    const [from, other] = [freshAddress(), freshAddress()];
    await tryUnknownKeys(app, from, 3);
    await tryUnknownKeys(app, from, 1);
    await tryUnknownKeys(app, other, 1);
    await tryUnknownKeys(app, from, 2);
    expect(find.mock.calls.map(([, { slowly }]) => slowly)).toStrictEqual(
      [false, false, false, false, false, true, true].map((slowly, index) =>
        // The fourth finds out that nothing is left, or learns it from the last lease.
        index === 3 ? expect.any(Boolean) : slowly,
      ),
    );
  });
});

describe('a flood of refused credentials', () => {
  it('never refuses valid ones from the same address: keys of both kinds, access tokens', async () => {
    const { app, deps } = openLimitedNode({ address: 3 });
    const admin = await seedAdministrator();
    const { key } = await makeApiKey(app, admin);
    const service = await makeServiceKey(deps, ['introspect']);
    const from = freshAddress();
    expect(count(await tryUnknownKeys(app, from, 10), 429)).toBe(7);
    const flood = tryUnknownKeys(app, from, 20);
    const valid = await Promise.all([
      ...times(5, () => listMembers(app, key).set(from)),
      ...times(5, () => self(app, service).set(from)),
      ...times(5, () => me(app, admin.accessToken).set(from)),
    ]);
    expect(valid.map(({ status }) => status)).toStrictEqual(times(15, () => 200));
    expect(count(await flood, 429)).toBe(20);
  });

  it('leaves the sign-ins and refreshes at its address their own quota', async () => {
    const { app } = openLimitedNode({ address: 3 });
    const from = freshAddress();
    await tryUnknownKeys(app, from, 10);
    const owner = await seedTestUserAndToken();
    const signedIn = await login(app, owner, from);
    const wrong = await refresh(app, 'ghr_unknown', from);
    expect([signedIn, wrong].map(({ status }) => status)).toStrictEqual([200, 401]);
    expect(wrong.headers['ratelimit']).toMatch(/^"address";r=1;t=/);
  });

  it('does not take the 401 from a client whose own token has ended', async () => {
    const { app } = openLimitedNode({ address: 3 });
    const from = freshAddress();
    await tryUnknownKeys(app, from, 10);
    const [idle, left] = [await seedTestUserAndToken(), await seedTestUserAndToken()];
    const expired = signWith(
      serverKey(),
      change(readToken(idle.accessToken), { claims: { exp: Math.floor(Date.now() / 1000) - 60 } }),
    );
    await logout(app, left.accessToken);
    for (const token of [expired, left.accessToken]) {
      const answers = [];
      for (let turn = 0; turn < 4; turn += 1) answers.push(await me(app, token).set(from));
      // Its session has a quota of its own.
      expect(answers.map(({ status }) => status)).toStrictEqual([401, 401, 401, 429]);
      expect(answers[0]?.headers['ratelimit']).toMatch(/^"address";r=2;t=/);
    }
  });
});
