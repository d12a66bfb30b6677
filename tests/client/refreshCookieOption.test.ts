import type { GatehouseOptions } from '@/client/contract';
import { auditOf, liveSessionsOf } from '@/tests/helpers/database/authRows';
import { ME, openScene, person, statusOf } from '@/tests/helpers/browser/clientScene';
import { closeLater } from '@/tests/helpers/server/closing';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { codeAt } from '@/tests/helpers/stepUp/secondFactor';
import { loseAnswer, loseRequest, openMachine } from '@/tests/helpers/browser/simulatedBrowser';
import type { Machine, Tab } from '@/tests/helpers/browser/simulatedBrowser';
import { ABROAD } from '@/tests/helpers/people/traveller';

type Scene = Awaited<ReturnType<typeof openScene>>;
let scene: Scene;
beforeAll(async () => {
  scene = await openScene();
});

const BY_COOKIE: Partial<GatehouseOptions> = { refreshCookie: true };
const REFRESH = '/api/auth/refresh';
const me = (tab: Tab) => statusOf(tab.client.fetch(ME));
const reusesOf = async (tenantId: string) =>
  (await auditOf('REFRESH_REUSE_DETECTED', tenantId)).length;
const markOf = ({ kept }: Machine) =>
  JSON.parse([...kept.values()].join('') || '{}') as Record<string, unknown>;

/** Reloads the page, which keeps only what the browser stores. */
function reload(machine: Machine, tab: Tab, options: Partial<GatehouseOptions> = {}): Tab {
  tab.kill();
  return machine.openTab({ ...BY_COOKIE, ...options });
}

/**
 * Reloads during a refresh: the server has rotated, and the page is gone before it gets the answer.
 */
async function reloadMidway(machine: Machine, tab: Tab): Promise<Tab> {
  const asked = new Promise<void>((resolve) => {
    tab.network = async (call, send) => {
      if (call.path === REFRESH) {
        await send();
        resolve();
        return new Promise<never>(() => undefined);
      }
      return send();
    };
  });
  void tab.client.fetch(ME);
  await asked;
  return reload(machine, tab);
}

describe('with a refresh cookie', () => {
  it('no token is in a storage, in what tabs tell each other but for the access token, or in a body', async () => {
    const said: unknown[] = [];
    const { machine, tab } = await scene.signedIn(BY_COOKIE);
    const channel = machine.listen((message) => said.push(message));
    closeLater(() => Promise.resolve(channel.close()));
    scene.expireAccess();
    expect(await me(tab)).toBe(200);
    await pollUntil('tabs hear', () => Promise.resolve(said.length), Boolean);
    expect(machine.cookie).toMatch(/^refresh=ghr_/);
    const bodies = tab.calls.map(({ body }) => body);
    expect(JSON.stringify([said, bodies, [...machine.kept]])).not.toContain('ghr_');
    expect([...machine.kept.values()].join('\n')).not.toMatch(/eyJ|"key"/);
  });

  it('a reload keeps the person signed in, at the price of one refresh', async () => {
    const { machine, tab } = await scene.signedIn(BY_COOKIE);
    const again = reload(machine, tab);
    expect(await again.client.ready()).toBe(true);
    expect(await me(again)).toBe(200);
    expect(again.refreshes()).toHaveLength(1);
    expect(again.signedOut).toEqual([]);
  });

  it('a reload beside another tab asks that one, and nobody refreshes', async () => {
    const { machine, tab } = await scene.signedIn(BY_COOKIE);
    const other = machine.openTab(BY_COOKIE);
    await other.client.ready();
    const again = reload(machine, tab);
    expect(await again.client.ready()).toBe(true);
    expect(await me(again)).toBe(200);
    expect([...again.refreshes(), ...other.refreshes()]).toEqual([]);
  });

  it.each([
    ['kept', true],
    ['lost', false],
  ])(
    'a reload in the middle of a refresh, again and again, is no theft if the browser %s the cookie',
    async (_how, keeps) => {
      const { machine, tab, person: member } = await scene.signedIn(BY_COOKIE);
      machine.keepsLostCookies = keeps;
      let page = tab;
      const keys = new Set<unknown>();
      scene.expireAccess();
      for (let time = 0; time < 4; time += 1) {
        page = await reloadMidway(machine, page);
        keys.add(markOf(machine)['key']);
      }
      expect(await me(page)).toBe(200);
      // All attempts use one key until an answer arrives, whatever happened to the cookie.
      // Afterwards no key is stored.
      expect([keys.size, [...keys].every(Boolean)]).toEqual([1, true]);
      expect(markOf(machine)).not.toHaveProperty('key');
      scene.expireAccess();
      expect(await me(page)).toBe(200);
      expect(await reusesOf(member.tenantId)).toBe(0);
      expect(page.signedOut).toEqual([]);
    },
  );

  it('an answer that was lost hours ago ends nothing if the browser kept its cookie', async () => {
    const { machine, tab } = await scene.signedIn(BY_COOKIE);
    machine.keepsLostCookies = true;
    scene.expireAccess();
    tab.network = (call, send) => (call.path === REFRESH ? loseAnswer(send) : send());
    await expect(me(tab)).rejects.toMatchObject({ code: 'NETWORK' });
    for (const [name, mark] of machine.kept) {
      const hoursAgo = { ...JSON.parse(mark), sentAt: Date.now() - 7_200_000 };
      machine.kept.set(name, JSON.stringify(hoursAgo));
    }
    const again = reload(machine, tab);
    expect(await again.client.ready()).toBe(true);
    expect(await me(again)).toBe(200);
  });

  it('tabs that are restored together refresh once', async () => {
    const { machine, tab, person: member } = await scene.signedIn(BY_COOKIE);
    tab.kill();
    const tabs = [0, 1, 2].map(() => machine.openTab(BY_COOKIE));
    expect(await Promise.all(tabs.map((one) => one.client.ready()))).toEqual([true, true, true]);
    expect(await Promise.all(tabs.map(me))).toEqual([200, 200, 200]);
    expect(tabs.flatMap((one) => one.refreshes())).toHaveLength(1);
    scene.expireAccess();
    expect(await Promise.all(tabs.map(me))).toEqual([200, 200, 200]);
    expect(tabs.flatMap((one) => one.refreshes())).toHaveLength(2);
    expect(await reusesOf(member.tenantId)).toBe(0);
  });

  it('a tab that hears the others late sends the key that was sent', async () => {
    const { machine, tab, person: member } = await scene.signedIn(BY_COOKIE);
    tab.kill();
    const [one, two] = [machine.openTab(BY_COOKIE), machine.openTab(BY_COOKIE)];
    two.lagMs = 200;
    one.network = async (call, send) => {
      const response = await send();
      if (call.path === REFRESH) one.kill();
      return response;
    };
    void one.client.ready();
    expect(await two.client.ready()).toBe(true);
    expect(await me(two)).toBe(200);
    expect(await reusesOf(member.tenantId)).toBe(0);
  });

  it('a person who has never signed in causes no request', async () => {
    const tab = openMachine(scene.url).openTab(BY_COOKIE);
    expect(await tab.client.ready()).toBe(false);
    expect(tab.calls).toEqual([]);
  });

  it('a cookie that the browser has dropped is a session that is over, at the start already', async () => {
    const { machine, tab } = await scene.signedIn(BY_COOKIE);
    machine.cookie = '';
    const again = reload(machine, tab);
    expect(await again.client.ready()).toBe(false);
    expect(again.signedOut).toEqual(['expired']);
    const third = reload(machine, again);
    expect(await third.client.ready()).toBe(false);
    expect(third.calls).toEqual([]);
  });

  it('a page that is loaded without a network is signed in, and goes on when there is one', async () => {
    const { machine, tab } = await scene.signedIn(BY_COOKIE);
    const again = reload(machine, tab);
    const { network } = again;
    again.network = loseRequest;
    expect(await again.client.ready()).toBe(true);
    expect(again.signedOut).toEqual([]);
    again.network = network;
    const answered = () => me(again).catch(() => 0);
    expect(await pollUntil('it goes on', answered, (status) => status === 200)).toBe(200);
  });

  it('a refresh that is challenged goes on after the proof, and after a reload that closes the prompt', async () => {
    const { machine, tab, secret } = await scene.signedIn(BY_COOKIE);
    tab.kill();
    Object.assign(machine.place, ABROAD);
    const open = person([() => new Promise<never>(() => undefined)]);
    const asking = machine.openTab({ ...BY_COOKIE, onStepUp: open.onStepUp });
    void asking.client.ready();
    await pollUntil('it asks', () => Promise.resolve(open.asked.length), Boolean);
    scene.clock.forward(30);
    const answering = person([() => codeAt(secret, scene.clock.now())]);
    const again = reload(machine, asking, { onStepUp: answering.onStepUp });
    expect(await again.client.ready()).toBe(true);
    expect(await me(again)).toBe(200);
    expect(answering.asked).toHaveLength(1);
  });

  it('a sign-in over somebody else ends that session, in every tab and at the server', async () => {
    const first = await scene.signedIn(BY_COOKIE);
    const { machine, tab } = first;
    const other = machine.openTab(BY_COOKIE);
    await other.client.ready();
    const second = await scene.signedIn(BY_COOKIE);
    const { email, password } = second.person;
    const before = machine.cookie;
    await tab.client.signIn({ email, password });
    expect([await me(tab), tab.signedOut]).toEqual([200, ['signed_out']]);
    await pollUntil('the other hears', () => Promise.resolve(other.signedOut.length), Boolean);
    expect(machine.cookie).not.toBe(before);
    // The seeded session still exists, but the session of the browser does not.
    expect(await liveSessionsOf(first.person.staffId)).toHaveLength(1);
    const again = reload(machine, tab);
    expect(await again.client.ready()).toBe(true);
    const answer = await again.client.fetch(ME);
    expect(await answer.json()).toMatchObject({ email });
  });

  it('a cookie of another session, from a page that tells nobody, is not taken for this one', async () => {
    const { machine, tab } = await scene.signedIn(BY_COOKIE);
    const stranger = await scene.signedIn(BY_COOKIE);
    machine.cookie = stranger.machine.cookie;
    const again = reload(machine, tab);
    expect(await again.client.ready()).toBe(false);
    expect(again.signedOut).toEqual(['expired']);
    expect((await liveSessionsOf(stranger.person.staffId)).length).toBeGreaterThan(0);
  });

  it('signing out ends the session at the server, the cookie and the mark', async () => {
    const { machine, tab, person: member } = await scene.signedIn(BY_COOKIE);
    const live = (await liveSessionsOf(member.staffId)).length;
    await tab.client.signOut();
    expect(machine.cookie).toBe('');
    expect(await liveSessionsOf(member.staffId)).toHaveLength(live - 1);
    const again = reload(machine, tab);
    expect(await again.client.ready()).toBe(false);
    expect(again.calls).toEqual([]);
  });

  it('a login that asks for a proof is finished with the cookie', async () => {
    const { person: member, secret } = await scene.signedIn();
    const machine = openMachine(scene.url, { ...ABROAD });
    scene.clock.forward(30);
    const { onStepUp } = person([() => codeAt(secret, scene.clock.now())]);
    const tab = machine.openTab({ ...BY_COOKIE, onStepUp });
    await tab.client.signIn({ email: member.email, password: member.password });
    expect(machine.cookie).toMatch(/^refresh=ghr_/);
    const again = reload(machine, tab);
    expect(await again.client.ready()).toBe(true);
  });
});
