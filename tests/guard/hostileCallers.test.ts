import { createHonoGuards } from '@/guard/adapters';
import type { Act } from '@/guard/guardContract';
import { createKnowledge } from '@/guard/knowledge';
import {
  ACTIVE,
  createMovableClocks,
  openFakeGatehouse,
  openGuard,
} from '@/tests/helpers/guard/fakeGatehouse';

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
