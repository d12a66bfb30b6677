import {
  ACTIVE,
  ANN,
  API_KEY,
  SERVICE_KEY,
  createMovableClocks,
  newSigningKey,
  openFakeGatehouse,
  openGuard,
  untilStats,
} from '@/tests/helpers/guard/fakeGatehouse';
import type { FakeGatehouse } from '@/tests/helpers/guard/fakeGatehouse';
import type { Guard } from '@/guard';

const CHANGED = { kind: 'session', tenantId: ANN.tid, sessionId: ANN.sid };

/** Asks the guard, and returns `allowed` with the source, or the status of the refusal. */
async function ask(guard: Guard, token: string, ...more: [Parameters<Guard['decide']>[1]?]) {
  const decision = await guard.decide(`Bearer ${token}`, ...more);
  return decision.allowed ? decision.source : decision.refusal.status;
}
/** Waits until a guard has applied a message with a latency. */
const untilApplied = () => untilStats(guard, ({ changeLatencyMs }) => changeLatencyMs !== null);
const untilKept = (of: Guard, count: number) => untilStats(of, ({ kept }) => kept === count);

let fake: FakeGatehouse;
let clocks: ReturnType<typeof createMovableClocks>;
let guard: Guard;
let token: string;
beforeEach(async () => {
  fake = await openFakeGatehouse();
  clocks = createMovableClocks();
  guard = await openGuard(fake, { clocks });
  token = fake.token();
});
afterEach(() => guard.close());

describe('a kept answer', () => {
  it('serves all requests and tokens of a session, and concurrent first requests share one question', async () => {
    const first = await Promise.all(Array.from({ length: 20 }, () => ask(guard, token)));
    expect(new Set(first)).toEqual(new Set(['asked']));
    expect(await ask(guard, token)).toBe('kept');
    expect(await ask(guard, fake.token())).toBe('kept');
    expect(fake.countOf('/api/token/introspect')).toBe(1);
    expect(await ask(guard, fake.token({ sv: 2 }))).toBe(401);
  });

  it.each([
    ['its session', CHANGED],
    ['its member', { kind: 'staff', tenantId: ANN.tid, userId: ANN.sub }],
    ['its person', { kind: 'user', userId: ANN.sub }],
    ['its tenant', { kind: 'tenant', tenantId: ANN.tid }],
    ['something that this guard does not know', { kind: 'new' }],
  ])('is forgotten when a change names %s', async (_what, change) => {
    await ask(guard, token);
    fake.introspect = () => ({ active: false });
    fake.send({ elapsedMs: 1, changes: [change] });
    await untilKept(guard, 0);
    expect(await ask(guard, token)).toBe(401);
  });

  it.each([
    ['another session', { kind: 'session', tenantId: ANN.tid, sessionId: ANN.tid }],
    [
      'the same person as a member of another tenant',
      { kind: 'staff', tenantId: 'x', userId: ANN.sub },
    ],
    ['a service key', { kind: 'service_key', serviceKeyId: 'x' }],
  ])('stays when a change names %s', async (_what, change) => {
    await ask(guard, token);
    fake.send({ elapsedMs: 1, changes: [change, { kind: 'user', userId: 'y' }], oldestMs: 5 });
    await untilApplied();
    expect(await ask(guard, token)).toBe('kept');
  });

  it('loses a permission at the next request', async () => {
    const need = { permissions: ['app:read'] };
    expect(await ask(guard, token, need)).toBe('asked');
    fake.introspect = () => ({ ...ACTIVE, permissions: [] });
    fake.send({ elapsedMs: 1, changes: [{ kind: 'staff', tenantId: ANN.tid, userId: ANN.sub }] });
    await untilKept(guard, 0);
    expect(await ask(guard, token, need)).toBe(403);
  });

  it('ends with the token, session or key, without a change', async () => {
    fake.introspect = () => ({ ...ACTIVE, expires_in: 2 });
    await ask(guard, token);
    clocks.forward(1900);
    fake.send({ elapsedMs: 1_000_000 });
    await untilStats(guard, ({ stalenessMs }) => stalenessMs !== null && stalenessMs < 500);
    expect(await ask(guard, token)).toBe('kept');
    clocks.forward(200);
    expect(await ask(guard, token)).toBe('asked');
  });

  it('is not made of an answer that a change has overtaken: the guard asks again', async () => {
    let release: (answer: object) => void = () => undefined;
    fake.introspect = () => new Promise((resolve) => (release = resolve));
    const deciding = ask(guard, token);
    await fake.until('/api/token/introspect');
    const before = release;
    fake.introspect = () => ({ active: false });
    fake.send({ elapsedMs: 1, changes: [CHANGED], oldestMs: 1 });
    await untilApplied();
    before(ACTIVE);
    expect(await deciding).toBe(401);
    expect(fake.countOf('/api/token/introspect')).toBe(2);
  });

  it('is not made of an answer without a table of sessions', async () => {
    fake.introspect = () => ({ ...ACTIVE, degraded: true, sid: undefined });
    expect([await ask(guard, token), await ask(guard, token)]).toEqual(['asked', 'asked']);
  });
});

describe('the bound', () => {
  it('holds with a silent stream: past it the guard asks, and if it cannot, it refuses with 503', async () => {
    await ask(guard, token);
    clocks.forward(900);
    expect(await ask(guard, token)).toBe('kept');
    clocks.forward(200);
    expect(await ask(guard, token)).toBe('asked');
    fake.status = 500;
    clocks.forward(1100);
    const refused = await guard.decide(`Bearer ${token}`);
    expect(refused).toMatchObject({ allowed: false, refusal: { status: 503 } });
    expect(!refused.allowed && refused.refusal.headers['retry-after']).toBe('1');
  });

  it('is not stretched by messages that waited on the way, or that vouch for nothing', async () => {
    await ask(guard, token);
    clocks.forward(5000);
    fake.introspect = () => ({ active: false });
    fake.send({ elapsedMs: 30, changes: [], oldestMs: 0 });
    fake.send({ elapsedMs: null });
    await untilApplied();
    expect(guard.stats().stalenessMs).toBeGreaterThan(4000);
    expect(await ask(guard, token)).toBe(401);
  });

  it('is not stretched by a message from the future', async () => {
    await ask(guard, token);
    fake.send({ elapsedMs: 3_600_000, oldestMs: 0 });
    await untilApplied();
    clocks.forward(1500);
    expect(await ask(guard, token)).toBe('asked');
  });

  it('is told with each decision', async () => {
    await ask(guard, token);
    clocks.forward(700);
    const decision = await guard.decide(`Bearer ${token}`);
    expect(decision).toMatchObject({ allowed: true, source: 'kept' });
    const stale = decision.allowed ? decision.staleForAtMostMs : 0;
    expect(stale).toBeGreaterThanOrEqual(700);
    expect(stale).toBeLessThanOrEqual(1000);
  });

  it.each([
    ['hours ahead', 7_200_000],
    ['hours behind', -7_200_000],
  ])(
    'holds with a time of day that jumps %s: everything is asked again, and nothing is refused',
    async (_what, ms) => {
      await ask(guard, token);
      clocks.shiftWall(ms);
      expect(await ask(guard, token)).toBe('asked');
      const late = await openGuard(fake, { clocks });
      expect(await ask(late, token)).toBe('asked');
      // A token that has ended is refused by Gatehouse's time, and without a question.
      const ended = fake.token({ exp: Math.floor(Date.now() / 1000) - 60, sid: ANN.tid });
      expect(await ask(late, ended)).toBe(401);
      await late.close();
    },
  );

  it('holds after a suspension: what the stream says on a connection from before counts for nothing', async () => {
    await ask(guard, token);
    clocks.shiftWall(600_000);
    const again = fake.until('/api/access-changes/stream');
    fake.send({ elapsedMs: 600_000 });
    await again;
    expect(await ask(guard, token)).toBe('asked');
  });
});

describe('the stream', () => {
  it('is opened again at the last cursor, and nothing is forgotten', async () => {
    await ask(guard, token);
    const again = fake.until('/api/access-changes/stream');
    fake.cut();
    await again;
    expect(fake.requests.at(-1)?.path).toContain('cursor=e.');
    fake.send({ elapsedMs: 1, oldestMs: 0 });
    await untilApplied();
    expect(await ask(guard, token)).toBe('kept');
    expect(guard.stats().resets).toBe(1);
  });

  it('makes the guard forget everything with a reset, also what is under way', async () => {
    await ask(guard, token);
    fake.introspect = () => ({ active: false });
    fake.send({ elapsedMs: 1, reset: 'new_epoch' });
    await untilStats(guard, ({ resets }) => resets === 2);
    expect(guard.stats().kept).toBe(0);
    expect(await ask(guard, token)).toBe(401);
  });

  it('is replaced by polls if it is open and silent, as behind a proxy that gathers bytes', async () => {
    const quiet = await openFakeGatehouse();
    quiet.streams = 'silent';
    const polling = await openGuard(quiet, { timeoutMs: 100 });
    await untilStats(polling, ({ changes }) => changes === 'poll');
    const mine = quiet.token();
    quiet.introspect = () => ACTIVE;
    expect(await ask(polling, mine)).toBe('asked');
    expect(await ask(polling, mine)).toBe('kept');
    quiet.introspect = () => ({ active: false });
    quiet.poll = () => ({ cursor: 'e.9', elapsedMs: 0, changes: [CHANGED] });
    await untilKept(polling, 0);
    expect(await ask(polling, mine)).toBe(401);
    await polling.close();
  });
});

describe('a credential', () => {
  it.each<[string, (fake: FakeGatehouse) => string]>([
    ['without a signature', (g) => `${g.token().split('.').slice(0, 2).join('.')}.`],
    [
      'with alg none',
      (g) => {
        const [, payload] = g.token().split('.');
        const head = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url');
        return `${head}.${payload}.`;
      },
    ],
    ['of another key', (g) => g.token({}, {}, { ...newSigningKey(), kid: g.key.kid })],
    ['of a key that nobody published', (g) => g.token({}, {}, newSigningKey())],
    [
      'that brings its own key',
      (g) => g.token({}, { jku: 'http://127.0.0.1:9/keys' }, newSigningKey()),
    ],
    ['of another issuer', (g) => g.token({ iss: 'urn:other' })],
    ['for another audience', (g) => g.token({ aud: 'other' })],
    ['of another type', (g) => g.token({}, { typ: 'ga+jwt' })],
    ['with critical extensions', (g) => g.token({}, { crit: ['x'] })],
    ['that has ended', (g) => g.token({ exp: 1 })],
    ['without a session', (g) => g.token({ sid: undefined })],
    ['that is a service key', () => SERVICE_KEY],
    ['that is half a key', () => 'ghk_tabc'],
    ['that is no token', () => 'x'],
  ])('%s is refused with 401, and Gatehouse is not asked about it', async (_what, make) => {
    expect(await ask(guard, make(fake))).toBe(401);
    expect(fake.countOf('/api/token/introspect')).toBe(0);
  });

  it('that is missing is refused with the scheme alone', async () => {
    expect(await guard.decide(undefined)).toMatchObject({
      refusal: { status: 401, headers: { 'www-authenticate': 'Bearer' } },
    });
    expect(await guard.decide('Basic YTpi')).toMatchObject({ refusal: { status: 401 } });
  });

  it('that has ended is asked about once in a while, also in a flood', async () => {
    fake.introspect = () => ({ active: false });
    for (let n = 0; n < 50; n += 1) expect(await ask(guard, token)).toBe(401);
    expect(fake.countOf('/api/token/introspect')).toBe(1);
    fake.introspect = () => ACTIVE;
    expect(await ask(guard, fake.token())).toBe('asked');
  });

  it('of a new signing key is accepted, and made-up keys do not flood the old ones', async () => {
    await ask(guard, token);
    for (let n = 0; n < 20; n += 1) await ask(guard, fake.token({}, {}, newSigningKey()));
    expect(fake.countOf('/.well-known/jwks.json')).toBeLessThanOrEqual(2);
    const next = newSigningKey();
    fake.keys = [fake.key, next];
    const late = await openGuard(fake);
    expect(await ask(late, fake.token({}, {}, next))).toBe('asked');
    await late.close();
  });

  it('that is an API key is asked about with the address, and kept for that address alone', async () => {
    fake.introspect = ({ body }) => ({
      ...ACTIVE,
      ...{ sid: undefined, token_type: 'api_key', api_key_id: 'k1' },
      active: body['address'] === '10.0.0.1',
    });
    const from = async (address: string) => {
      const decision = await guard.decide(`Bearer ${API_KEY}`, {}, { address });
      return decision.allowed ? decision.principal.apiKeyId : decision.refusal.status;
    };
    expect(await from('10.0.0.1')).toBe('k1');
    expect(await from('10.0.0.2')).toBe(401);
    expect(await from('10.0.0.1')).toBe('k1');
    expect(fake.countOf('/api/token/introspect')).toBe(2);
    fake.send({ elapsedMs: 1, changes: [{ kind: 'api_key', tenantId: ANN.tid, apiKeyId: 'k1' }] });
    await untilKept(guard, 1);
    expect(await ask(guard, API_KEY, { stepUp: { purpose: 'app:x' } })).toBe(401);
  });

  it('of the guard itself is not sent on to where a redirect leads', async () => {
    const other = await openFakeGatehouse();
    fake.redirectTo = other.url;
    expect(await ask(guard, token)).toBe(503);
    expect(other.requests).toEqual([]);
  });

  it('of the guard itself is named as the problem if Gatehouse refuses it, and requests get 503', async () => {
    const problems: string[] = [];
    const onProblem = ({ message }: Error) => problems.push(message);
    const refused = await openGuard(fake, { onProblem });
    fake.status = 401;
    expect(await ask(refused, token)).toBe(503);
    expect(problems).toEqual([
      'api/token/introspect answered 401: check the service key, its scope (introspect) and its addresses',
    ]);
  });
});

describe('a step-up', () => {
  const need = { stepUp: { purpose: 'app:delete' } };
  it('passes with a fresh proof of the kept answer, until that proof is too old', async () => {
    const step_ups = [{ purpose: 'app:delete', verified_at: 1, expires_in: 2 }];
    fake.introspect = () => ({ ...ACTIVE, step_ups });
    fake.stepUp = () => ({ status: 428, body: { error: 'STEP_UP_REQUIRED' } });
    expect(await ask(guard, token, need)).toBe('asked');
    expect(await ask(guard, token, { stepUp: { purpose: 'app:other' } })).toBe(428);
    clocks.forward(2100);
    fake.introspect = () => ({ ...ACTIVE, step_ups: [] });
    expect(await ask(guard, token, need)).toBe(428);
  });

  it('that is missing is answered with the challenge as Gatehouse made it', async () => {
    const body = {
      error: 'STEP_UP_REQUIRED',
      requiresStepUp: true,
      purpose: 'app:delete',
      challengeId: 'c',
    };
    const header = 'Bearer error="insufficient_user_authentication", max_age=600';
    fake.stepUp = () => ({ status: 428, body, headers: { 'www-authenticate': header } });
    const decision = await guard.decide(`Bearer ${token}`, need);
    expect(decision).toEqual({
      allowed: false,
      refusal: { status: 428, headers: { 'www-authenticate': header }, body },
    });
  });

  it('for one act is asked for at each request, and sends the act', async () => {
    const act = { name: 'DELETE /x/:id', digest: 'a'.repeat(64) };
    const consume = { consume: { purpose: 'app:delete', act } };
    await ask(guard, token, consume);
    await ask(guard, token, consume);
    const asked = fake.requests.filter(({ path }) => path === '/api/token/step-up');
    expect(asked.map(({ body }) => body)).toEqual(
      [1, 2].map(() => ({ token, purpose: 'app:delete', act, consume: true })),
    );
  });

  it('is not asked for before the permission, and 503 is no passage', async () => {
    const both = { ...need, permissions: ['app:missing'] };
    expect(await ask(guard, token, both)).toBe(403);
    expect(fake.countOf('/api/token/step-up')).toBe(0);
    fake.stepUp = () => ({ status: 500, body: {} });
    expect(await ask(guard, token, need)).toBe(503);
    fake.stepUp = () => ({ status: 200, body: {} });
    expect(await ask(guard, token, need)).toBe(401);
  });
});
