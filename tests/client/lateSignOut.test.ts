import type { GatehouseOptions } from '@/client/contract';
import { liveSessionsOf } from '@/tests/helpers/database/authRows';
import { ME, openScene, paths, statusOf } from '@/tests/helpers/browser/clientScene';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { loseRequest, openMachine } from '@/tests/helpers/browser/simulatedBrowser';
import type { Machine, Tab } from '@/tests/helpers/browser/simulatedBrowser';
import { HOME } from '@/tests/helpers/people/traveller';

type Scene = Awaited<ReturnType<typeof openScene>>;
let scene: Scene;
beforeAll(async () => {
  scene = await openScene();
});

const BY_COOKIE: Partial<GatehouseOptions> = { refreshCookie: true };
const LOGOUT = '/api/auth/logout';
const LOGIN = '/api/auth/login';
const BUSY = { error: 'DATABASE_UNAVAILABLE' };
const me = (tab: Tab) => statusOf(tab.client.fetch(ME));

/** Reloads the page, which keeps only what the browser stores. */
function reload(machine: Machine, tab: Tab): Tab {
  tab.kill();
  return machine.openTab(BY_COOKIE);
}

describe('a sign-out by the refresh cookie that does not reach the server', () => {
  const faults: [string, Tab['network']][] = [
    ['cannot be sent', loseRequest],
    ['is answered with 503', () => Promise.resolve(Response.json(BUSY, { status: 503 }))],
    ['is answered by a portal', () => Promise.resolve(new Response('<html>Hello'))],
  ];
  const failing =
    (fault: Tab['network']): Tab['network'] =>
    (call, send) =>
      call.path.startsWith(LOGOUT) ? fault(call, send) : send();
  /** Reloads into a page from which no sign-out reaches the server. */
  function reloadWith(fault: Tab['network'], machine: Machine, tab: Tab): Tab {
    const again = reload(machine, tab);
    again.network = failing(fault);
    return again;
  }

  it.each(faults)(
    'because it %s: no reload signs the person in, and each tells the server before all else until it knows',
    async (_how, fault) => {
      const { machine, tab, person: member } = await scene.signedIn(BY_COOKIE);
      const live = (await liveSessionsOf(member.staffId)).length;
      tab.network = failing(fault);
      await tab.client.signOut();
      expect([tab.client.signedIn, tab.signedOut]).toEqual([false, ['signed_out']]);
      const again = reloadWith(fault, machine, tab);
      expect(await again.client.ready()).toBe(false);
      expect(machine.cookie).toMatch(/^refresh=ghr_/);
      expect([...machine.kept.values()].join('\n')).not.toMatch(/ghr_|eyJ|"key"/);
      const third = reload(machine, again);
      expect(await third.client.ready()).toBe(false);
      expect([...paths(again), ...paths(third)]).toEqual([LOGOUT, LOGOUT]);
      expect(machine.cookie).toBe('');
      expect(await liveSessionsOf(member.staffId)).toHaveLength(live - 1);
      const fourth = reload(machine, third);
      expect([await fourth.client.ready(), fourth.calls]).toEqual([false, []]);
    },
  );

  it('because the page is gone before it is answered: the next page tells it', async () => {
    const { machine, tab } = await scene.signedIn(BY_COOKIE);
    const sent = new Promise<void>((resolve) => {
      tab.network = () => {
        resolve();
        return new Promise<never>(() => undefined);
      };
    });
    void tab.client.signOut();
    await sent;
    const again = reload(machine, tab);
    expect(await again.client.ready()).toBe(false);
    expect([paths(again), machine.cookie]).toEqual([[LOGOUT], '']);
  });

  it('is told once by pages that are opened together', async () => {
    const { machine, tab } = await scene.signedIn(BY_COOKIE);
    tab.network = loseRequest;
    await tab.client.signOut();
    tab.kill();
    const tabs = [machine.openTab(BY_COOKIE), machine.openTab(BY_COOKIE)];
    expect(await Promise.all(tabs.map(({ client }) => client.ready()))).toEqual([false, false]);
    expect(tabs.flatMap(paths)).toEqual([LOGOUT]);
  });

  it('is tried again by the same page, also if it may keep nothing', async () => {
    const { person: member } = await scene.signedIn();
    const has = {
      storage: () => {
        throw new Error('a page that may keep nothing');
      },
    };
    const machine = openMachine(scene.url, { ...HOME });
    const tab = machine.openTab(BY_COOKIE, has);
    await tab.client.signIn({ email: member.email, password: member.password });
    const { network } = tab;
    tab.network = loseRequest;
    await tab.client.signOut();
    tab.network = network;
    expect(await tab.client.ready()).toBe(false);
    expect(await tab.client.ready()).toBe(false);
    expect([paths(tab), machine.cookie]).toEqual([[LOGIN, LOGOUT, LOGOUT], '']);
  });

  it('does not go on in a tab that heard nothing of it', async () => {
    const { machine, tab } = await scene.signedIn(BY_COOKIE);
    const other = machine.openTab(BY_COOKIE);
    await other.client.ready();
    other.leave();
    tab.network = loseRequest;
    await tab.client.signOut();
    scene.expireAccess();
    await expect(me(other)).rejects.toMatchObject({ code: 'SIGNED_OUT' });
    expect([other.refreshes(), other.signedOut]).toEqual([[], ['signed_out']]);
    other.comeBack();
    expect([await other.client.ready(), machine.cookie]).toEqual([false, '']);
  });

  it('everywhere: signs nobody in by a reload either', async () => {
    const { machine, tab } = await scene.signedIn(BY_COOKIE);
    tab.network = failing(() => Promise.resolve(Response.json(BUSY, { status: 503 })));
    await expect(tab.client.signOut({ everywhere: true })).rejects.toMatchObject({ status: 503 });
    const again = reload(machine, tab);
    expect([await again.client.ready(), machine.cookie]).toEqual([false, '']);
  });

  it('is forgotten when somebody signs in, who stays signed in', async () => {
    const { machine, tab, person: member } = await scene.signedIn(BY_COOKIE);
    tab.network = loseRequest;
    await tab.client.signOut();
    const before = machine.cookie;
    const again = reload(machine, tab);
    await again.client.signIn({ email: member.email, password: member.password });
    expect(await again.client.ready()).toBe(true);
    expect(machine.cookie).not.toBe(before);
    const third = reload(machine, again);
    expect([await third.client.ready(), await me(third)]).toEqual([true, 200]);
    expect([...paths(again), ...paths(third)]).not.toContain(LOGOUT);
  });

  it('cannot remove the cookie of a sign-in that comes while it is told late', async () => {
    const { machine, tab, person: member } = await scene.signedIn(BY_COOKIE);
    tab.network = loseRequest;
    await tab.client.signOut();
    const again = reload(machine, tab);
    let answer = () => undefined as void;
    const held = new Promise<void>((resolve) => (answer = resolve));
    again.network = async (call, send) => {
      const response = await send();
      if (call.path === LOGOUT) await held;
      return response;
    };
    const ready = again.client.ready();
    await pollUntil('it is told', () => Promise.resolve(paths(again).length), Boolean);
    const signingIn = again.client.signIn({ email: member.email, password: member.password });
    // When this is answered, a sign-in that does not wait would have been sent.
    await again.client.fetch(`${scene.url}/health/live`);
    if (paths(again).includes(LOGIN)) await signingIn;
    answer();
    await Promise.all([ready, signingIn]);
    expect(paths(again)).toEqual([LOGOUT, '/health/live', LOGIN]);
    expect(machine.cookie).toMatch(/^refresh=ghr_/);
  });
});
