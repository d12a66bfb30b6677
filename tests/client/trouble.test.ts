import type { Browser } from '@/client/browser';
import type { SessionStorage } from '@/client/contract';
import { auditOf } from '@/tests/helpers/database/authRows';
import { ME, openScene, statusOf } from '@/tests/helpers/browser/clientScene';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { loseAnswer, loseRequest } from '@/tests/helpers/browser/simulatedBrowser';
import type { Tab } from '@/tests/helpers/browser/simulatedBrowser';

const REFRESH = '/api/auth/refresh';
type Scene = Awaited<ReturnType<typeof openScene>>;
let scene: Scene;
let clockMovedMs = 0;
beforeAll(async () => {
  scene = await openScene();
});
/** The clock of the person's machine. The server has its own. */
beforeEach(() => {
  const now = Date.now;
  clockMovedMs = 0;
  jest.spyOn(Date, 'now').mockImplementation(() => now() + clockMovedMs);
});
afterEach(() => jest.restoreAllMocks());

const me = (tab: Tab) => statusOf(tab.client.fetch(ME));
const untilBack = (tab: Tab) =>
  pollUntil(
    'the session goes on',
    () => me(tab).catch(() => 0),
    (status) => status === 200,
  );
const reusesOf = async (tenantId: string) =>
  (await auditOf('REFRESH_REUSE_DETECTED', tenantId)).length;
const page = (status: number, headers: Record<string, string> = {}) =>
  Promise.resolve(
    new Response('<!doctype html><title>Welcome</title>', {
      status,
      headers: { 'content-type': 'text/html', ...headers },
    }),
  );
const keysOf = (tab: Tab) => new Set(tab.refreshes().map(({ key }) => key));

describe('a machine that sleeps in the middle of a refresh', () => {
  it('does not send the token again when it wakes ten minutes later: it would not be answered', async () => {
    const { tab, person } = await scene.signedIn();
    scene.expireAccess();
    tab.network = (call, send) => {
      if (call.path !== REFRESH) return send();
      clockMovedMs += 600_000;
      scene.clock.forward(600);
      return loseAnswer(send);
    };
    await expect(tab.client.fetch(ME)).rejects.toMatchObject({ code: 'SIGNED_OUT' });
    expect(tab.signedOut).toEqual(['answer_lost']);
    expect(tab.refreshes()).toHaveLength(1);
    expect(await reusesOf(person.tenantId)).toBe(0);
  });

  it('sends it where it fell asleep before it had', async () => {
    let asleep = false;
    const storage: SessionStorage = {
      load: () => null,
      save: () => {
        if (asleep) clockMovedMs += 600_000;
        asleep = false;
      },
    };
    const { tab } = await scene.signedIn({ storage });
    scene.expireAccess();
    asleep = true;
    expect(await me(tab)).toBe(200);
    expect(tab.refreshes()).toHaveLength(1);
  });
});

describe('a clock that is set', () => {
  it('back by an hour while an answer is missing ends the session here, not everywhere', async () => {
    const { tab, person } = await scene.signedIn();
    scene.expireAccess();
    tab.network = (call, send) => (call.path === REFRESH ? loseAnswer(send) : send());
    await expect(tab.client.fetch(ME)).rejects.toMatchObject({ code: 'NETWORK' });
    const sent = tab.refreshes().length;
    clockMovedMs -= 3_600_000;
    await expect(tab.client.fetch(ME)).rejects.toMatchObject({ code: 'SIGNED_OUT' });
    expect(tab.signedOut).toEqual(['answer_lost']);
    expect(tab.refreshes()).toHaveLength(sent);
    expect(await reusesOf(person.tenantId)).toBe(0);
  });

  it('back makes no old answer a fresh one: the network is tried before a token is sent', async () => {
    const { tab, machine } = await scene.signedIn();
    const other = machine.openTab();
    await other.client.ready();
    tab.kill();
    await me(other);
    scene.expireAccess();
    clockMovedMs -= 3_600_000;
    const answered = jest.spyOn(Response.prototype, 'clone');
    other.network = ({ path }, send) => (path === ME ? send() : loseRequest());
    answered.mockImplementationOnce(function (this: Response) {
      // The 401 arrives by the present clock, which is set back once more before the refresh.
      clockMovedMs -= 3_600_000;
      return this;
    });
    await expect(other.client.fetch(ME)).rejects.toMatchObject({ code: 'NETWORK' });
    expect(other.refreshes()).toEqual([]);
  });

  it('back by an hour while nothing may be sent does not make that last an hour', async () => {
    const { tab } = await scene.signedIn();
    scene.expireAccess();
    let told = 0;
    tab.network = (call, send) =>
      call.path === REFRESH && told++ === 0
        ? Promise.resolve(
            Response.json(
              { error: 'DATABASE_UNAVAILABLE' },
              { status: 503, headers: { 'retry-after': '30' } },
            ),
          )
        : send();
    await expect(tab.client.fetch(ME)).rejects.toMatchObject({ retryAfterMs: 30_000 });
    await expect(tab.client.fetch(ME)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    clockMovedMs -= 3_600_000;
    expect(await me(tab)).toBe(200);
  });

  it.each([3_600_000, -3_600_000])('by %d ms loses no session', async (ms) => {
    const { tab, person } = await scene.signedIn();
    clockMovedMs += ms;
    expect(await me(tab)).toBe(200);
    scene.expireAccess();
    expect(await me(tab)).toBe(200);
    clockMovedMs -= ms;
    scene.expireAccess();
    expect(await me(tab)).toBe(200);
    expect(await reusesOf(person.tenantId)).toBe(0);
  });
});

describe('something else that answers in place of Gatehouse', () => {
  it.each([200, 403, 404, 502])(
    'with a page and %d at a refresh is no answer: the token is asked for again with its key',
    async (status) => {
      const { tab, person } = await scene.signedIn();
      scene.expireAccess();
      let count = 0;
      tab.network = async (call, send) => {
        if (call.path !== REFRESH || count++ > 0) return send();
        // The request did reach the server.
        await send();
        return page(status);
      };
      expect(await me(tab)).toBe(200);
      expect(tab.refreshes()).toHaveLength(2);
      expect(keysOf(tab).size).toBe(1);
      expect(await reusesOf(person.tenantId)).toBe(0);
    },
  );

  it.each([
    [502, { message: 'Bad Gateway' }],
    [403, { message: 'Forbidden' }],
    [500, { error: 'INTERNAL_ERROR' }],
    [200, null],
    [200, []],
  ])('with JSON of its own and %d is none either', async (status, body) => {
    const { tab } = await scene.signedIn();
    scene.expireAccess();
    let count = 0;
    tab.network = async (call, send) => {
      if (call.path !== REFRESH || count++ > 0) return send();
      await send();
      return Response.json(body, { status });
    };
    expect(await me(tab)).toBe(200);
    expect(keysOf(tab).size).toBe(1);
  });

  it('with 503 and Retry-After at a refresh is left alone as long, and then asked with the same key', async () => {
    const { tab, person } = await scene.signedIn();
    scene.expireAccess();
    let count = 0;
    tab.network = async (call, send) => {
      if (call.path !== REFRESH || count++ > 0) return send();
      await send();
      return page(503, { 'retry-after': '1' });
    };
    await expect(tab.client.fetch(ME)).rejects.toMatchObject({
      code: 'NETWORK',
      status: 503,
      retryAfterMs: 1000,
    });
    expect(tab.refreshes()).toHaveLength(1);
    const again = () => Promise.resolve(tab.refreshes().at(-1)?.status);
    // The client asks by itself, because the token may have been spent behind the gateway.
    await pollUntil('it asks again', again, (status) => status === 200);
    expect(keysOf(tab).size).toBe(1);
    expect(await me(tab)).toBe(200);
    expect(await reusesOf(person.tenantId)).toBe(0);
  });

  it('with 429 has let nothing through: the session can wait for as long as it takes', async () => {
    const { tab, person } = await scene.signedIn();
    scene.expireAccess();
    let turned = true;
    tab.network = (call, send) =>
      call.path === REFRESH && turned ? page(429, { 'retry-after': '1' }) : send();
    await expect(tab.client.fetch(ME)).rejects.toMatchObject({ status: 429, retryAfterMs: 1000 });
    expect(tab.refreshes()).toHaveLength(1);
    turned = false;
    clockMovedMs += 600_000;
    expect(await me(tab)).toBe(200);
    expect(tab.signedOut).toEqual([]);
    expect(await reusesOf(person.tenantId)).toBe(0);
  });

  it('with 502 while Gatehouse is away gets no token, however long that lasts', async () => {
    const { tab } = await scene.signedIn();
    tab.network = () => page(502);
    // The last answer did not prove that the server is reachable.
    expect(await me(tab)).toBe(502);
    scene.expireAccess();
    clockMovedMs += 400_000;
    for (const ms of [3000, 3_600_000, 3_600_000]) {
      await expect(tab.client.fetch(ME)).rejects.toMatchObject({ code: 'NETWORK', status: 502 });
      clockMovedMs += ms;
    }
    expect(tab.refreshes()).toEqual([]);
    tab.network = (_call, send) => send();
    expect(await me(tab)).toBe(200);
  });

  it('with 404 at /health/live, where a proxy lets nothing through but /api, stands in nobody’s way', async () => {
    const { tab } = await scene.signedIn();
    scene.expireAccess();
    clockMovedMs += 400_000;
    tab.network = (call, send) => (call.path === '/health/live' ? page(404) : send());
    expect(await me(tab)).toBe(200);
  });
});

describe('a lost answer', () => {
  it('is one that has not come within timeoutMs', async () => {
    const { tab: first, machine } = await scene.signedIn();
    // Opened after the sign-in, which may take longer than that on a busy machine.
    const tab = machine.openTab({ timeoutMs: 4000 });
    await tab.client.ready();
    first.kill();
    scene.expireAccess();
    tab.network = (call, send) => {
      if (call.path !== REFRESH || tab.refreshes().length > 1) return send();
      return new Promise(() => undefined);
    };
    expect(await me(tab)).toBe(200);
    expect(keysOf(tab).size).toBe(1);
  });

  const unavailable = () =>
    Promise.resolve(Response.json({ error: 'DATABASE_UNAVAILABLE' }, { status: 503 }));

  it.each([
    ['the network lost', loseAnswer],
    [
      'a fault of the server took the place of',
      async (send: () => Promise<Response>) => {
        await send();
        return Response.json({ error: 'INTERNAL_ERROR' }, { status: 500 });
      },
    ],
  ])('that %s stays lost when the next is a 503', async (_how, lose) => {
    const { tab, person } = await scene.signedIn();
    scene.expireAccess();
    tab.network = (call, send) => {
      if (call.path !== REFRESH) return send();
      return tab.refreshes().length === 1 ? lose(send) : unavailable();
    };
    await expect(tab.client.fetch(ME)).rejects.toMatchObject({ status: 503 });
    tab.network = (_call, send) => send();
    clockMovedMs += 600_000;
    scene.clock.forward(600);
    await expect(tab.client.fetch(ME)).rejects.toMatchObject({ code: 'SIGNED_OUT' });
    expect(tab.signedOut).toEqual(['answer_lost']);
    expect(await reusesOf(person.tenantId)).toBe(0);
  });
});

describe('a page', () => {
  it('that has locks and may use none refreshes all the same', async () => {
    const refused = () => Promise.reject(new DOMException('no', 'SecurityError'));
    const { machine, tab, person } = await scene.signedIn();
    tab.kill();
    const locks: Browser['locks'] = { request: refused, query: refused };
    const poor = machine.openTab({}, { locks });
    await poor.client.signIn({ email: person.email, password: person.password });
    scene.expireAccess();
    expect(await me(poor)).toBe(200);
    expect(poor.refreshes()).toHaveLength(1);
  });

  it('that is shown again asks the others before it uses what it had', async () => {
    const { machine, tab, person } = await scene.signedIn();
    const left = machine.openTab();
    await left.client.ready();
    left.leave();
    scene.expireAccess();
    expect(await me(tab)).toBe(200);
    scene.expireAccess();
    left.comeBack();
    expect(await me(left)).toBe(200);
    expect(await reusesOf(person.tenantId)).toBe(0);
  });

  it('that is offline says so, sends nothing and keeps the session', async () => {
    const { machine, tab: first } = await scene.signedIn();
    let onLine = true;
    const tab = machine.openTab({}, { onLine: () => onLine });
    await tab.client.ready();
    first.kill();
    scene.expireAccess();
    clockMovedMs += 400_000;
    onLine = false;
    await expect(tab.client.fetch(ME)).rejects.toMatchObject({ code: 'NETWORK', status: 0 });
    expect(tab.calls).toEqual([]);
    onLine = true;
    expect(await untilBack(tab)).toBe(200);
  });
});
