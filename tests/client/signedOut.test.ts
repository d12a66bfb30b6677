import { forceLogout } from '@/server/tenants';
import { operatorContext } from '@/tests/helpers/server/openNode';
import type { SessionStorage } from '@/client/contract';
import { auditOf } from '@/tests/helpers/database/authRows';
import { ME, openScene, statusOf, GUARDED } from '@/tests/helpers/browser/clientScene';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { openMachine } from '@/tests/helpers/browser/simulatedBrowser';
import type { Tab } from '@/tests/helpers/browser/simulatedBrowser';

type Scene = Awaited<ReturnType<typeof openScene>>;
let scene: Scene;
beforeAll(async () => {
  scene = await openScene();
});

const untilTold = (tab: Tab) =>
  pollUntil(
    'it is told',
    () => Promise.resolve(tab.signedOut),
    (reasons) => reasons.length > 0,
  );

/** How many milliseconds the client waits for the answers of other tabs. */
const ASK_TABS_MS = 2000;

describe('FORCE_LOGOUT', () => {
  it('clears every tab, calls onSignedOut once in each, and goes to /login?reason=security', async () => {
    const saved: (string | null)[] = [];
    const storage = { load: () => null, save: (value: string | null) => void saved.push(value) };
    const { machine, tab } = await scene.signedIn({ storage });
    const others = [machine.openTab(), machine.openTab({ loginUrl: false })];
    for (const other of others) await other.client.ready();
    const first = JSON.parse(saved[0] ?? '{}') as { refreshToken: string };
    scene.expireAccess();
    expect(await statusOf(tab.client.fetch(ME))).toBe(200);
    // The rotated token comes back, so the server ends every session of the person.
    const body = JSON.stringify({ refreshToken: first.refreshToken });
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body };
    const replay = () => tab.client.fetch('/api/auth/refresh', init);
    const all = await Promise.allSettled([replay(), replay(), replay()]);
    for (const one of all) expect(one).toMatchObject({ reason: { code: 'SIGNED_OUT' } });
    for (const one of [tab, ...others]) {
      expect(await untilTold(one)).toEqual(['security']);
      expect(one.client.signedIn).toBe(false);
      await expect(one.client.accessToken()).resolves.toBeUndefined();
    }
    expect(saved.at(-1)).toBeNull();
    expect(tab.wentTo).toEqual(['/login?reason=security']);
    expect(others.map(({ wentTo }) => wentTo)).toEqual([['/login?reason=security'], []]);
  });

  it('is what a refresh with a stolen score gets, and ends the session at the server as well', async () => {
    const { tab, person } = await scene.signedIn();
    scene.expireAccess();
    tab.network = (call, send) =>
      call.path === '/api/auth/refresh'
        ? Promise.resolve(
            Response.json({ error: 'FORCE_LOGOUT', reason: 'anomaly_score' }, { status: 401 }),
          )
        : send();
    await expect(tab.client.fetch(ME)).rejects.toMatchObject({
      code: 'SIGNED_OUT',
      body: { reason: 'anomaly_score' },
    });
    expect(tab.refreshes()).toHaveLength(1);
    expect(tab.signedOut).toEqual(['security']);
    expect(await auditOf('REFRESH_REUSE_DETECTED', person.tenantId)).toEqual([]);
  });
});

describe('the end of a session', () => {
  it('is heard in the other tabs when the person signs out, and the server knows', async () => {
    const { machine, tab } = await scene.signedIn();
    const other = machine.openTab();
    await other.client.ready();
    const bearer = (await other.client.accessToken()) ?? '';
    await tab.client.signOut();
    expect(tab.signedOut).toEqual(['signed_out']);
    expect(await untilTold(other)).toEqual(['signed_out']);
    expect([...tab.wentTo, ...other.wentTo]).toEqual([]);
    const headers = { authorization: `Bearer ${bearer}` };
    expect((await fetch(new URL(ME, scene.url), { headers })).status).toBe(401);
  });

  it('comes as expired where the server no longer knows the token', async () => {
    const { machine, tab } = await scene.signedIn();
    const { tab: elsewhere } = await scene.signedIn();
    expect(elsewhere.client.signedIn).toBe(true);
    const bearer = await tab.client.accessToken();
    await fetch(new URL('/api/auth/logout', scene.url), {
      method: 'POST',
      headers: { authorization: `Bearer ${bearer ?? ''}`, ...machine.place },
    });
    await expect(tab.client.fetch(ME)).rejects.toMatchObject({ code: 'SIGNED_OUT' });
    expect(tab.signedOut).toEqual(['expired']);
    expect(elsewhere.signedOut).toEqual([]);
  });

  it('reaches the server without an access token: none is asked for to sign out', async () => {
    const { tab, person } = await scene.signedIn();
    scene.expireAccess();
    await tab.client.signOut();
    expect(tab.calls.at(-1)?.path).toBe('/api/auth/logout');
    expect(tab.refreshes()).toEqual([]);
    expect(await auditOf('AUTH_LOGOUT', person.tenantId)).toMatchObject([
      { details: { scope: 'session', with: 'refresh_token' } },
    ]);
  });

  it('that somebody else ended is told at the next call of the API, and leads to /login?reason=security', async () => {
    const { tab, person } = await scene.signedIn();
    await forceLogout(scene.deps, operatorContext, person.tenantId, person.staffId);
    await expect(tab.client.fetch(ME)).rejects.toMatchObject({
      code: 'SIGNED_OUT',
      body: { error: 'FORCE_LOGOUT', reason: 'force_logout' },
    });
    expect(tab.refreshes()).toEqual([]);
    expect(tab.signedOut).toEqual(['security']);
    expect(tab.wentTo).toEqual(['/login?reason=security']);
  });

  it('is not undone by the answer of a refresh that was under way', async () => {
    const { machine, tab } = await scene.signedIn();
    const other = machine.openTab();
    await other.client.ready();
    scene.expireAccess();
    other.network = async (call, send) => {
      const response = await send();
      if (call.path === '/api/auth/refresh') {
        void tab.client.signOut().catch(() => undefined);
        await untilTold(other);
      }
      return response;
    };
    tab.network = () => Promise.reject(new TypeError('gone'));
    const refreshing = other.client.fetch(ME);
    await expect(refreshing).rejects.toMatchObject({ code: 'SIGNED_OUT' });
    expect(other.client.signedIn).toBe(false);
  });

  it('aborts a prompt that is open', async () => {
    let signal: AbortSignal | undefined;
    const { tab, machine } = await scene.signedIn({
      onStepUp: (request) => {
        signal = request.signal;
        return new Promise(() => undefined);
      },
    });
    const other = machine.openTab();
    await other.client.ready();
    const asking = tab.client.fetch(GUARDED);
    const rejected = expect(asking).rejects.toMatchObject({ code: 'SIGNED_OUT' });
    await pollUntil('it asks', () => Promise.resolve(signal), Boolean);
    await other.client.signOut();
    await rejected;
    expect(signal?.aborted).toBe(true);
  });
});

describe('where tokens are', () => {
  it('is in no storage, no URL and no console by default', async () => {
    const spies = (['log', 'info', 'warn', 'error', 'debug'] as const).map((name) =>
      jest.spyOn(console, name).mockImplementation(() => undefined),
    );
    const kept = new Map<string, string>();
    const fake = { setItem: (key: string, value: string) => void kept.set(key, value) };
    Object.assign(globalThis, { localStorage: fake, sessionStorage: fake });
    const { tab } = await scene.signedIn();
    scene.expireAccess();
    expect(await statusOf(tab.client.fetch(ME))).toBe(200);
    await tab.client.signOut();
    Object.assign(globalThis, { localStorage: undefined, sessionStorage: undefined });
    expect(kept.size).toBe(0);
    for (const spy of spies) {
      expect(spy).not.toHaveBeenCalled();
      spy.mockRestore();
    }
    for (const { url } of tab.calls) expect(url).not.toMatch(/ghr_|eyJ/);
  });

  it('is in a new tab as soon as it asks the others, and nowhere once the last is closed', async () => {
    const { machine, tab } = await scene.signedIn();
    const second = machine.openTab();
    const waits = jest.spyOn(globalThis, 'setTimeout');
    expect(await second.client.ready()).toBe(true);
    expect(waits.mock.calls.map(([, ms]) => ms)).toContain(ASK_TABS_MS);
    waits.mockRestore();
    tab.kill();
    second.kill();
    const third = machine.openTab();
    expect(await third.client.ready()).toBe(false);
  });

  it('is not in another profile of the same browser', async () => {
    await scene.signedIn();
    const waits = jest.spyOn(globalThis, 'setTimeout');
    expect(await openMachine(scene.url).openTab().client.ready()).toBe(false);
    // Without another tab to ask, there is nothing to wait for.
    expect(waits.mock.calls.map(([, ms]) => ms)).not.toContain(ASK_TABS_MS);
    waits.mockRestore();
  });

  it('is in a storage of the application, where one is given: the session outlives its tabs', async () => {
    let kept: string | null = null;
    const storage: SessionStorage = {
      load: () => kept,
      save: (value) => {
        kept = value;
      },
    };
    const { machine, tab } = await scene.signedIn({ storage });
    tab.kill();
    const later = machine.openTab({ storage });
    expect(await later.client.ready()).toBe(true);
    scene.expireAccess();
    expect(await statusOf(later.client.fetch(ME))).toBe(200);
    await later.client.signOut();
    expect(kept).toBeNull();
  });

  it('is in memory all the same where storage fails or holds nonsense', async () => {
    const storage: SessionStorage = {
      load: () => '{"not":',
      save: () => Promise.reject(new Error('full')),
    };
    const { tab } = await scene.signedIn({ storage });
    scene.expireAccess();
    expect(await statusOf(tab.client.fetch(ME))).toBe(200);
  });
});
