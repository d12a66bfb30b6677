import { randomBytes } from 'node:crypto';
import { createGuard } from '@/guard';
import { createHonoGuards } from '@/guard/adapters';
import type { Act } from '@/guard/guardContract';
import { createKnowledge } from '@/guard/knowledge';
import { makeKeyText } from '@/server/keyText';
import {
  ACTIVE,
  API_KEY,
  createMovableClocks,
  openFakeGatehouse,
  openGuard,
  untilStats,
} from '@/tests/helpers/guard/fakeGatehouse';
import { listen } from '@/tests/helpers/http/listen';
import { makeServiceKey } from '@/tests/helpers/people/programs';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { closeLater } from '@/tests/helpers/server/closing';
import { openLimitedNode } from '@/tests/helpers/server/limitedNode';

it('a flood of made-up API keys pushes nobody out who is known', async () => {
  const fake = await openFakeGatehouse();
  const guard = await openGuard(fake, { maxKept: 5 });
  const token = fake.token();
  await guard.decide(`Bearer ${token}`);
  fake.introspect = () => ({ active: false });
  for (let n = 10; n < 30; n += 1) {
    const decision = await guard.decide(`Bearer ghk_t${'a'.repeat(47)}${n}`);
    expect(decision.allowed).toBe(false);
  }
  expect(await guard.decide(`Bearer ${token}`)).toMatchObject({ allowed: true, source: 'kept' });
  await guard.close();
});

describe('a flood of made-up API keys that Gatehouse is slow to refuse', () => {
  const madeUp = (n: number) => `Bearer ghk_t${String(n).padStart(49, 'a')}`;

  it('keeps neither people nor known keys waiting, and the rest of it is refused with 503', async () => {
    const fake = await openFakeGatehouse();
    const guard = await openGuard(fake, { maxStalenessMs: 5000 });
    expect((await guard.decide(`Bearer ${API_KEY}`)).allowed).toBe(true);
    fake.send({ elapsedMs: 1, reset: 'everything' });
    await untilStats(guard, ({ kept }) => kept === 0);
    let refuse: (() => void)[] = [];
    const isMadeUp = (text: unknown) => text !== API_KEY && String(text).startsWith('ghk_t');
    fake.introspect = ({ body }) =>
      isMadeUp(body['token'])
        ? new Promise((resolve) => refuse.push(() => resolve({ active: false })))
        : ACTIVE;
    const flood = Array.from({ length: 300 }, (_none, n) => guard.decide(madeUp(n)));
    const surplus = await Promise.race(flood);
    expect(surplus).toMatchObject({ allowed: false, refusal: { status: 503 } });
    for (const credential of [fake.token(), API_KEY]) {
      const decision = await guard.decide(`Bearer ${credential}`);
      expect(decision).toMatchObject({ allowed: true, source: 'asked' });
    }
    // Those at once; each of the others follows when one is answered.
    expect(refuse).toHaveLength(16);
    fake.introspect = () => ({ active: false });
    for (const each of refuse) each();
    refuse = [];
    const statuses = (await Promise.all(flood)).map(
      (decision) => !decision.allowed && decision.refusal.status,
    );
    expect(statuses.filter((status) => status === 401)).toHaveLength(216);
    expect(statuses.filter((status) => status === 503)).toHaveLength(84);
    await guard.close();
  });

  it('leaves half of the quota of the service key to known callers', async () => {
    const { app, deps } = openLimitedNode({ introspect: 20 });
    const serviceKey = await makeServiceKey(deps, ['introspect']);
    const guard = createGuard({ url: await listen(app), serviceKey });
    closeLater(() => guard.close());
    const seen = new Set<number>();
    for (let n = 0; n < 40; n += 1) {
      const key = makeKeyText({ bytes: randomBytes }, 't');
      const decision = await guard.decide(`Bearer ${key}`);
      if (!decision.allowed) seen.add(decision.refusal.status);
    }
    expect(seen).toEqual(new Set([401, 503]));
    const { token } = await seedTestUserAndToken();
    expect(await guard.decide(`Bearer ${token}`)).toMatchObject({ allowed: true });
  });

  it('may ask again after a pause, and at once if the quota has grown', async () => {
    const fake = await openFakeGatehouse();
    const clocks = createMovableClocks();
    const guard = await openGuard(fake, { clocks });
    const quota = (left: number) => ({
      'ratelimit-policy': '"introspect";q=100;w=60',
      ratelimit: `"introspect";r=${left};t=60`,
    });
    fake.introspect = () => ({ active: false });
    fake.headers = quota(49);
    const status = async (n: number) => {
      const decision = await guard.decide(madeUp(n));
      return decision.allowed ? 200 : decision.refusal.status;
    };
    expect([await status(1), await status(2)]).toEqual([401, 503]);
    clocks.forward(5100);
    fake.headers = quota(50);
    expect([await status(3), await status(4), await status(5)]).toEqual([401, 401, 401]);
  });
});

it('many short suspensions add up, and one while a question is under way makes its answer old', () => {
  const clocks = createMovableClocks();
  const knowledge = createKnowledge({ clocks, maxStalenessMs: 1000, maxKept: 5 });
  const answer = { introspection: ACTIVE, sentAt: clocks.monotonic(), ids: {}, until: Infinity };
  knowledge.keep('known', answer);
  expect(knowledge.find('known')).toBeDefined();
  for (let n = 0; n < 3; n += 1) {
    clocks.shiftWall(400);
    knowledge.find('known');
  }
  expect(knowledge.find('known')).toBeUndefined();
  const flight = knowledge.takeOff();
  clocks.shiftWall(3_600_000);
  expect(flight.land({})).toBe(false);
});

it('an act in Hono is named by every value of its query', async () => {
  const acts: (Act | undefined)[] = [];
  const { consumeStepUp } = createHonoGuards({
    decideAtOnce: () => undefined,
    note: () => undefined,
    decide(_authorization, need) {
      acts.push(need.consume?.act);
      const refusal = { status: 401 as const, headers: {}, body: {} };
      return Promise.resolve({ allowed: false as const, refusal });
    },
  });
  for (const query of ['id=1', 'id=1&id=2', 'id=1']) {
    const raw = new Request(`http://api.example/projects?${query}`, { method: 'DELETE' });
    const req = { raw, param: () => ({}), query: () => ({ id: '1' }) };
    await consumeStepUp('app:delete_project')({ req }, () => Promise.resolve());
  }
  const [one, two, again] = acts.map((act) => act?.digest);
  expect(one).toBeDefined();
  expect(two).not.toBe(one);
  expect(again).toBe(one);
});

describe('a guard for a route', () => {
  it('is refused if it names no permission, because it would admit everybody', async () => {
    const guard = await openGuard(await openFakeGatehouse());
    for (const guards of [guard.express, guard.fastify, guard.hono]) {
      expect(() => guards.requirePermission()).toThrow('Name at least one permission.');
      expect(() => guards.requirePermission(undefined as unknown as string)).toThrow(TypeError);
    }
  });

  it('refuses with 503, and says so, if a need is misspelled, because it would admit everybody', async () => {
    const fake = await openFakeGatehouse();
    const problems: Error[] = [];
    const guard = await openGuard(fake, { onProblem: (problem) => problems.push(problem) });
    const bearer = `Bearer ${fake.token()}`;
    expect(await guard.decide(bearer)).toMatchObject({ allowed: true });
    const misspelled = { permission: ['app:missing'] } as object;
    expect(await guard.decide(bearer, misspelled)).toMatchObject({ refusal: { status: 503 } });
    expect(problems.map(({ message }) => message)).toEqual([
      'The guard does not know the need `permission`.',
    ]);
    await guard.close();
  });
});
