import { auditOf } from '@/tests/helpers/database/authRows';
import { ME, openScene, statusOf } from '@/tests/helpers/browser/clientScene';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { loseAnswer, loseRequest } from '@/tests/helpers/browser/simulatedBrowser';
import type { Tab } from '@/tests/helpers/browser/simulatedBrowser';

type Scene = Awaited<ReturnType<typeof openScene>>;
let scene: Scene;
beforeAll(async () => {
  scene = await openScene();
});

const me = (tab: Tab) => statusOf(tab.client.fetch(ME));
const reusesOf = async (tenantId: string) =>
  (await auditOf('REFRESH_REUSE_DETECTED', tenantId)).length;
const spent = (tab: Tab) => tab.refreshes().map(({ key, body }) => `${key} ${body.slice(0, 60)}`);

describe('a refresh', () => {
  it('happens once for ten callers at once, and each of them is answered', async () => {
    const { tab } = await scene.signedIn();
    scene.expireAccess();
    const answers = await Promise.all(Array.from({ length: 10 }, () => me(tab)));
    expect(answers).toEqual(Array.from({ length: 10 }, () => 200));
    expect(tab.refreshes()).toHaveLength(1);
    // The network has just answered, so it is not probed.
    expect(tab.calls.filter(({ path }) => path === '/health/live')).toEqual([]);
  });

  it('happens once for two tabs at once, and neither signs in twice', async () => {
    const { machine, tab, person } = await scene.signedIn();
    const other = machine.openTab();
    await expect(other.client.ready()).resolves.toBe(true);
    scene.expireAccess();
    expect(await Promise.all([me(tab), me(other), me(tab), me(other)])).toEqual([
      200, 200, 200, 200,
    ]);
    expect([...tab.refreshes(), ...other.refreshes()]).toHaveLength(1);
    expect(await reusesOf(person.tenantId)).toBe(0);
  });

  it('happens once where one of two tabs hears the other late', async () => {
    const { machine, tab } = await scene.signedIn();
    const other = machine.openTab();
    await other.client.ready();
    other.lagMs = 200;
    scene.expireAccess();
    expect(await Promise.all([me(tab), me(other)])).toEqual([200, 200]);
    expect([...tab.refreshes(), ...other.refreshes()]).toHaveLength(1);
  });

  it('is taken over from a tab that is killed between the request and its answer, without reuse', async () => {
    const { machine, tab, person } = await scene.signedIn();
    const other = machine.openTab();
    await other.client.ready();
    scene.expireAccess();
    tab.network = async (call, send) => {
      const response = await send();
      if (call.path === '/api/auth/refresh') tab.kill();
      return response;
    };
    void tab.client.fetch(ME);
    await pollUntil('the first tab asks', () => Promise.resolve(tab.refreshes().length), Boolean);
    expect(await me(other)).toBe(200);
    expect(other.refreshes()).toHaveLength(1);
    // The same token with the same key: by this, the server distinguishes a successor tab from a
    // thief.
    expect(spent(other)).toEqual(spent(tab));
    expect(await reusesOf(person.tenantId)).toBe(0);
    scene.expireAccess();
    expect(await me(other)).toBe(200);
  });

  it('is taken over by an idle tab as well, before the server forgets', async () => {
    const { machine, tab } = await scene.signedIn();
    const other = machine.openTab();
    await other.client.ready();
    scene.expireAccess();
    tab.network = async (call, send) => {
      const response = await send();
      if (call.path === '/api/auth/refresh') tab.kill();
      return response;
    };
    void tab.client.fetch(ME);
    const taken = () => Promise.resolve(other.refreshes().map(({ status }) => status));
    expect(await pollUntil('the heir asks', taken, (all) => all[0] === 200)).toEqual([200]);
    expect(spent(other)).toEqual(spent(tab));
  });

  it('asks once more with the same key when the answer is lost', async () => {
    const { tab, person } = await scene.signedIn();
    scene.expireAccess();
    let lost = 0;
    tab.network = (call, send) =>
      call.path === '/api/auth/refresh' && lost++ === 0 ? loseAnswer(send) : send();
    expect(await me(tab)).toBe(200);
    const [first, second, ...more] = tab.refreshes();
    expect(more).toEqual([]);
    expect([second?.key, second?.body]).toEqual([first?.key, first?.body]);
    expect(await reusesOf(person.tenantId)).toBe(0);
  });

  it('uses another key for another token', async () => {
    const { tab } = await scene.signedIn();
    for (const expected of [1, 2]) {
      scene.expireAccess();
      expect(await me(tab)).toBe(200);
      expect(tab.refreshes()).toHaveLength(expected);
    }
    const keys = tab.refreshes().map(({ key }) => key);
    expect(new Set(keys).size).toBe(2);
    for (const key of keys) expect(key).toMatch(/^[0-9a-f]{32}$/);
  });

  it('gives up after one more, keeps the session, and asks again by itself with the same key', async () => {
    const { tab } = await scene.signedIn();
    scene.expireAccess();
    let lost = 0;
    tab.network = (call, send) =>
      call.path === '/api/auth/refresh' && lost++ < 2 ? loseAnswer(send) : send();
    await expect(tab.client.fetch(ME)).rejects.toMatchObject({ code: 'NETWORK' });
    expect(tab.refreshes()).toHaveLength(2);
    expect(tab.client.signedIn).toBe(true);
    const all = () => Promise.resolve(tab.refreshes());
    const sent = await pollUntil('it asks again', all, (calls) => calls.at(-1)?.status === 200);
    expect(new Set(sent.map(({ key }) => key)).size).toBe(1);
    expect(await me(tab)).toBe(200);
    expect(tab.refreshes()).toHaveLength(3);
  });

  it('does not send the token into a network that does not answer', async () => {
    const { tab, machine } = await scene.signedIn();
    const other = machine.openTab();
    await other.client.ready();
    tab.kill();
    const now = Date.now;
    const later = jest.spyOn(Date, 'now').mockImplementation(() => now() + 400_000);
    other.network = loseRequest;
    await expect(other.client.fetch(ME)).rejects.toMatchObject({ code: 'NETWORK' });
    later.mockRestore();
    // The first request carries no token, so it cannot lose one.
    expect(other.calls.map(({ path }) => path)).toEqual(['/health/live']);
    expect(other.client.signedIn).toBe(true);
  });

  it('asks again with the same key for most of ten minutes, and goes on with the same successor', async () => {
    const { tab, person } = await scene.signedIn();
    scene.expireAccess();
    tab.network = (call, send) => (call.path === '/api/auth/refresh' ? loseAnswer(send) : send());
    await expect(tab.client.fetch(ME)).rejects.toMatchObject({ code: 'NETWORK' });
    const now = Date.now;
    const later = jest.spyOn(Date, 'now').mockImplementation(() => now() + 580_000);
    tab.network = (_call, send) => send();
    expect(await statusOf(tab.client.fetch(ME))).toBe(200);
    later.mockRestore();
    expect(new Set(tab.refreshes().map(({ key }) => key)).size).toBe(1);
    expect(tab.signedOut).toEqual([]);
    expect(await reusesOf(person.tenantId)).toBe(0);
  });

  it('does not ask with a token whose answer has been missing for longer: it would not be answered', async () => {
    const { tab, person } = await scene.signedIn();
    scene.expireAccess();
    tab.network = (call, send) => (call.path === '/api/auth/refresh' ? loseAnswer(send) : send());
    await expect(tab.client.fetch(ME)).rejects.toMatchObject({ code: 'NETWORK' });
    const now = Date.now;
    const later = jest.spyOn(Date, 'now').mockImplementation(() => now() + 591_000);
    tab.network = (_call, send) => send();
    await expect(tab.client.fetch(ME)).rejects.toMatchObject({ code: 'SIGNED_OUT' });
    later.mockRestore();
    expect(tab.signedOut).toEqual(['answer_lost']);
    expect(tab.refreshes()).toHaveLength(2);
    expect(await reusesOf(person.tenantId)).toBe(0);
  });
});

describe('a network that drops a fifth of the answers', () => {
  it('causes no FORCE_LOGOUT and no lost session, in two tabs and many refreshes', async () => {
    const { signedIn } = await openScene({ accessTokenTtlSec: 1 }, true);
    const { machine, tab, person } = await signedIn();
    const other = machine.openTab();
    await other.client.ready();
    const counts = new Map<string, number>();
    // Loses the third of every five requests of each kind, so that losses do not depend on chance.
    for (const one of [tab, other]) {
      one.network = ({ path }, send) => {
        const count = (counts.get(path) ?? 0) + 1;
        counts.set(path, count);
        return count % 5 === 3 ? loseAnswer(send) : send();
      };
    }
    const outcomes: (number | string)[] = [];
    const until = Date.now() + 9000;
    while (Date.now() < until) {
      const both = await Promise.allSettled([me(tab), me(other)]);
      outcomes.push(...both.map((one) => (one.status === 'fulfilled' ? one.value : 'lost')));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const all = [...tab.refreshes(), ...other.refreshes()];
    expect(all.filter(({ status }) => status === undefined).length).toBeGreaterThan(1);
    expect(all.length).toBeGreaterThan(7);
    expect(new Set(outcomes)).toEqual(new Set([200, 'lost']));
    expect([...tab.signedOut, ...other.signedOut]).toEqual([]);
    expect(await reusesOf(person.tenantId)).toBe(0);
    for (const one of [tab, other]) one.network = (_call, send) => send();
    const back = () => me(tab).catch(() => 0);
    expect(await pollUntil('the session goes on', back, (status) => status === 200)).toBe(200);
  });
});

describe('a server that is not available', () => {
  const unavailable = (seconds: string) =>
    Promise.resolve(
      new Response(JSON.stringify({ error: 'DATABASE_UNAVAILABLE' }), {
        status: 503,
        headers: { 'retry-after': seconds },
      }),
    );

  it('keeps the session, and is left alone for as long as Retry-After says, by all tabs', async () => {
    const { machine, tab } = await scene.signedIn();
    const other = machine.openTab();
    await other.client.ready();
    scene.expireAccess();
    const started = Date.now();
    tab.network = (call, send) => (call.path === ME ? send() : unavailable('2'));
    await expect(tab.client.fetch(ME)).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      status: 503,
      retryAfterMs: 2000,
    });
    tab.network = (_call, send) => send();
    for (const one of [tab, other]) {
      await expect(one.client.fetch(ME)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    }
    expect([...tab.refreshes(), ...other.refreshes()]).toHaveLength(1);
    expect([...tab.signedOut, ...other.signedOut]).toEqual([]);
    const back = () => me(tab).catch(() => 0);
    await pollUntil('it may ask again', back, (status) => status === 200);
    expect(Date.now() - started).toBeGreaterThanOrEqual(1999);
    expect(tab.refreshes()).toHaveLength(2);
  });

  it('hands the 503 of an application request to the application, once', async () => {
    const { tab } = await scene.signedIn();
    tab.network = () => unavailable('30');
    expect(await me(tab)).toBe(503);
    expect(tab.calls.filter(({ path }) => path === ME)).toHaveLength(1);
  });
});
