import request from 'supertest';
import type { ChangeMessage } from '@/server/accessChanges/changeFeed';
import {
  ACTIVE,
  createMovableClocks,
  newSigningKey,
  openFakeGatehouse,
  openGuard,
  untilStats,
} from '@/tests/helpers/guard/fakeGatehouse';
import type { FakeGatehouse } from '@/tests/helpers/guard/fakeGatehouse';
import { openChangeStream } from '@/tests/helpers/http/changeStream';
import { listen } from '@/tests/helpers/http/listen';
import { makeServiceKey, withKey } from '@/tests/helpers/people/programs';
import { buildApp } from '@/tests/helpers/server/testApp';
import type { Guard } from '@/guard';

const next = newSigningKey();
let fake: FakeGatehouse;
let clocks: ReturnType<typeof createMovableClocks>;
let guard: Guard;
beforeEach(async () => {
  fake = await openFakeGatehouse();
  clocks = createMovableClocks();
  fake.keys = [fake.key, next];
  guard = await openGuard(fake, { clocks });
  // As a node does: it accepts tokens of its own keys alone.
  fake.introspect = ({ body }) => {
    const [head = ''] = String(body['token']).split('.');
    const { kid } = JSON.parse(Buffer.from(head, 'base64url').toString()) as { kid: string };
    return fake.keys.some((key) => key.kid === kid) ? ACTIVE : { active: false };
  };
});
afterEach(() => guard.close());

const ofOldKey = () => fake.token();
const ofNextKey = () => fake.token({}, {}, next);
async function ask(token: string) {
  const decision = await guard.decide(`Bearer ${token}`);
  return decision.allowed ? decision.source : decision.refusal.status;
}
const untilApplied = () => untilStats(guard, ({ changeLatencyMs }) => changeLatencyMs !== null);

describe('a token of a signing key that was removed', () => {
  it('is refused from the next message on, also if it was checked before, and others stay', async () => {
    const forged = ofOldKey();
    expect([await ask(forged), await ask(forged), await ask(ofNextKey())]).toEqual([
      'asked',
      'kept',
      'kept',
    ]);
    fake.keys = [next];
    fake.send({ elapsedMs: 1, oldestMs: 1 });
    await untilApplied();
    expect([await ask(forged), await ask(ofOldKey())]).toEqual([401, 401]);
    expect(await ask(ofNextKey())).toBe('kept');
  });

  it('is refused past the bound without any message, although the session is known by another token', async () => {
    const forged = ofOldKey();
    expect(await ask(forged)).toBe('asked');
    fake.keys = [next];
    clocks.forward(1100);
    // The answer about this token is new, and says nothing about the other key.
    expect([await ask(ofNextKey()), await ask(ofNextKey())]).toEqual(['asked', 'kept']);
    expect([await ask(forged), await ask(ofOldKey())]).toEqual([401, 401]);
    expect(await ask(ofNextKey())).toBe('kept');
  });

  it('keeps no known caller waiting in a flood of such tokens', async () => {
    expect(await ask(ofNextKey())).toBe('asked');
    fake.keys = [next];
    fake.send({ elapsedMs: 1, oldestMs: 1, reset: 'everything' });
    await untilStats(guard, ({ kept }) => kept === 0);
    let refused = 0;
    const { introspect } = fake;
    fake.introspect = (asked) => {
      const said = introspect(asked) as { active: boolean };
      refused += said.active ? 0 : 1;
      return said.active ? said : new Promise(() => undefined);
    };
    const flood = Array.from({ length: 100 }, () => ask(ofOldKey()));
    expect(await ask(ofNextKey())).toBe('asked');
    expect(refused).toBeLessThanOrEqual(16);
    expect(new Set(await Promise.all(flood))).toEqual(new Set([503]));
  });
});

it('a token of a new signing key is accepted as soon as Gatehouse lists the key, also just after another look', async () => {
  expect(await ask(ofOldKey())).toBe('asked');
  const newest = newSigningKey();
  const token = () => fake.token({}, {}, newest);
  // This look at the keys is followed by a pause, which a flood of made-up keys cannot shorten.
  expect(await ask(token())).toBe(401);
  fake.keys = [next, newest];
  fake.send({ elapsedMs: 1, oldestMs: 1 });
  await untilApplied();
  const allowed = async (): Promise<unknown> => {
    const said = await ask(token());
    return said === 401 ? new Promise((resolve) => setImmediate(resolve)).then(allowed) : said;
  };
  const began = performance.now();
  expect(['asked', 'kept']).toContain(await allowed());
  expect(performance.now() - began).toBeLessThan(4000);
});

it('a node lists the keys with which it accepts tokens in the stream and in a poll', async () => {
  const { app, deps } = buildApp();
  const url = await listen(app);
  const key = await makeServiceKey(deps, ['introspect']);
  const res = await request(app).get('/.well-known/jwks.json').expect(200);
  const published = (res.body as { keys: { kid: string }[] }).keys.map(({ kid }) => kid);
  const stream = await openChangeStream(url, key);
  expect((await stream.untilCovered()).keys).toEqual(published);
  const { body } = await withKey(app, key).get('/api/access-changes').expect(200);
  expect((body as ChangeMessage).keys).toEqual(published);
});
