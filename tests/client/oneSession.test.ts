import { ME, openScene, statusOf, GUARDED } from '@/tests/helpers/browser/clientScene';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { openMachine } from '@/tests/helpers/browser/simulatedBrowser';
import type { Tab } from '@/tests/helpers/browser/simulatedBrowser';
import { ABROAD } from '@/tests/helpers/people/traveller';

type Scene = Awaited<ReturnType<typeof openScene>>;
let scene: Scene;
beforeAll(async () => {
  scene = await openScene();
});

const seen = (what: string, look: () => unknown) =>
  pollUntil(what, () => Promise.resolve(look()), Boolean);
const whoIs = async (tab: Tab) => {
  const response = await tab.client.fetch(ME);
  return JSON.stringify(await response.json());
};
const somebodyElse = () =>
  seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_VIEW', 'SETTINGS_SECURITY_EDIT'] });

/** Creates two people at one machine with two tabs. The first is signed in in both. */
async function twoPeople() {
  const saved: (string | null)[] = [];
  const storage = { load: () => null, save: (value: string | null) => void saved.push(value) };
  const set = await scene.signedIn({ storage });
  const other = set.machine.openTab();
  await other.client.ready();
  const second = await somebodyElse();
  const signInSecond = (tab: Tab) =>
    tab.client.signIn({ email: second.email, password: second.password });
  return { ...set, other, second, signInSecond, saved };
}

describe('somebody who signs in while somebody is signed in', () => {
  it('takes their place in every tab, each of which hears that a session has ended', async () => {
    const { tab, other, second, signInSecond } = await twoPeople();
    await signInSecond(tab);
    await seen('the other tab hears', () => other.signedOut.length);
    expect([tab.signedOut, other.signedOut]).toEqual([['signed_out'], ['signed_out']]);
    for (const one of [tab, other]) expect(await whoIs(one)).toContain(second.email);
  });

  it('leaves no session of theirs at the server', async () => {
    const { tab, signInSecond } = await twoPeople();
    const bearer = (await tab.client.accessToken()) ?? '';
    await signInSecond(tab);
    const headers = { authorization: `Bearer ${bearer}` };
    const status = () => statusOf(fetch(new URL(ME, scene.url), { headers }));
    expect(await pollUntil('it is refused', status, (code) => code === 401)).toBe(401);
  });

  it('leaves the one who is there where the password is wrong', async () => {
    const { tab, other, second, person } = await twoPeople();
    const wrong = tab.client.signIn({ email: second.email, password: 'not this one at all' });
    await expect(wrong).rejects.toMatchObject({ code: 'INVALID_CREDENTIALS' });
    for (const one of [tab, other]) expect(await whoIs(one)).toContain(person.email);
    expect([...tab.signedOut, ...other.signedOut]).toEqual([]);
  });

  it('takes their place by a clock that was put back in between as well', async () => {
    const { tab, other, second, signInSecond } = await twoPeople();
    const now = Date.now;
    const earlier = jest.spyOn(Date, 'now').mockImplementation(() => now() - 3_600_000);
    await signInSecond(tab);
    await seen('the other tab hears', () => other.signedOut.length);
    await seen('it has the new session', () => other.client.signedIn);
    earlier.mockRestore();
    for (const one of [tab, other]) expect(await whoIs(one)).toContain(second.email);
  });

  it('is not pushed out by a refresh of theirs that was under way', async () => {
    const { tab, person, second, signInSecond, saved } = await twoPeople();
    scene.expireAccess();
    let refreshing = false;
    tab.network = async (call, send) => {
      if (call.path !== '/api/auth/refresh' || refreshing) return send();
      refreshing = true;
      await signInSecond(tab);
      return send();
    };
    await expect(tab.client.fetch(ME)).rejects.toMatchObject({ code: 'SIGNED_OUT' });
    expect(await whoIs(tab)).toContain(second.email);
    expect(await whoIs(tab)).not.toContain(person.email);
    // From then on only the new session is stored. Nothing of the old one is saved after it.
    const sessions = saved.map(
      (value) => (JSON.parse(value ?? '{}') as { session: string }).session,
    );
    expect(new Set(sessions.slice(sessions.indexOf(sessions.at(-1) ?? ''))).size).toBe(1);
  });

  it('never sends what the other one had begun', async () => {
    const { tab, signInSecond } = await twoPeople();
    let count = 0;
    tab.network = async (call, send) => {
      if (call.path !== ME) return send();
      count += 1;
      await signInSecond(tab);
      return Response.json({ error: 'UNAUTHENTICATED' }, { status: 401 });
    };
    await expect(tab.client.fetch(ME, { method: 'GET' })).rejects.toMatchObject({
      code: 'SIGNED_OUT',
    });
    expect(count).toBe(1);
  });

  it('is not signed out by a FORCE_LOGOUT that comes late, for the other one', async () => {
    const { tab, second, signInSecond } = await twoPeople();
    tab.network = async (call, send) => {
      if (call.path !== '/api/late') return send();
      await signInSecond(tab);
      return Response.json({ error: 'FORCE_LOGOUT', reason: 'reuse_detected' }, { status: 401 });
    };
    await expect(tab.client.fetch('/api/late')).rejects.toMatchObject({ code: 'SIGNED_OUT' });
    expect(tab.signedOut).toEqual(['signed_out']);
    expect(tab.wentTo).toEqual([]);
    expect(await whoIs(tab)).toContain(second.email);
  });
});

describe('the refresh of a session that somebody has taken the place of', () => {
  it.each(['FORCE_LOGOUT', 'INVALID_REFRESH_TOKEN'])(
    'ends no other when it is answered %s',
    async (error) => {
      const { tab, second, signInSecond } = await twoPeople();
      scene.expireAccess();
      tab.network = async (call, send) => {
        if (call.path !== '/api/auth/refresh') return send();
        await signInSecond(tab);
        return Response.json({ error }, { status: 401 });
      };
      await expect(tab.client.fetch(ME)).rejects.toMatchObject({ code: 'SIGNED_OUT' });
      expect(tab.signedOut).toEqual(['signed_out']);
      expect(await whoIs(tab)).toContain(second.email);
    },
  );
});

describe('two people who sign in in two tabs at once', () => {
  it('end up in one session, the same in both tabs, and nobody is told twice', async () => {
    const people = await Promise.all([somebodyElse(), somebodyElse()]);
    const machine = openMachine(scene.url);
    const tabs = [machine.openTab(), machine.openTab()];
    const now = Date.now();
    // Within the same millisecond.
    const still = jest.spyOn(Date, 'now').mockReturnValue(now);
    await Promise.all(
      tabs.map((tab, index) => {
        const { email = '', password = '' } = people[index] ?? {};
        return tab.client.signIn({ email, password });
      }),
    );
    still.mockRestore();
    const held = () => Promise.all(tabs.map(({ client }) => client.accessToken().catch(() => '')));
    const [one, two] = await pollUntil('they agree', held, ([a, b]) => a !== '' && a === b);
    expect(one).toBe(two);
    const told = tabs.map(({ signedOut }) => signedOut.length);
    expect(Math.max(...told)).toBe(1);
  });
});

describe('signing out', () => {
  it('asks nobody for a proof, though the refresh it takes is challenged', async () => {
    const onStepUp = jest.fn(() => '123456');
    const { tab, machine } = await scene.signedIn({ onStepUp });
    machine.place = ABROAD;
    scene.expireAccess();
    await tab.client.signOut();
    expect(onStepUp).not.toHaveBeenCalled();
    expect(tab.signedOut).toEqual(['signed_out']);
  });

  it('does not wait for a prompt that is open in another tab', async () => {
    const forever = () => new Promise<never>(() => undefined);
    const { tab, machine } = await scene.signedIn({ onStepUp: forever });
    const other = machine.openTab({ onStepUp: forever });
    await other.client.ready();
    machine.place = ABROAD;
    scene.expireAccess();
    const asking = other.client.fetch(ME).catch((error: unknown) => error);
    await seen('it is challenged', () => other.refreshes()[0]?.status === 428);
    await tab.client.signOut();
    expect(tab.signedOut).toEqual(['signed_out']);
    expect(await asking).toMatchObject({ code: 'SIGNED_OUT' });
  });

  it('opens no prompt for a refresh whose answer comes after it', async () => {
    const onStepUp = jest.fn(() => '123456');
    const { tab, machine } = await scene.signedIn({ onStepUp });
    machine.place = ABROAD;
    scene.expireAccess();
    tab.network = async (call, send) => {
      const response = await send();
      if (call.path === '/api/auth/refresh') await tab.client.signOut();
      return response;
    };
    await expect(tab.client.fetch(ME)).rejects.toMatchObject({ code: 'SIGNED_OUT' });
    expect(tab.refreshes()[0]?.status).toBe(428);
    expect(onStepUp).not.toHaveBeenCalled();
  });

  it('everywhere is not said to be done where the server did not do it', async () => {
    const { tab } = await scene.signedIn();
    tab.network = (call, send) =>
      call.path === '/api/auth/logout-all'
        ? Promise.resolve(Response.json({ error: 'INTERNAL_ERROR' }, { status: 500 }))
        : send();
    const done = tab.client.signOut({ everywhere: true });
    await expect(done).rejects.toMatchObject({ status: 500 });
    expect(tab.client.signedIn).toBe(false);
  });

  it('everywhere is done where the server has ended every session by itself', async () => {
    const { tab } = await scene.signedIn();
    tab.network = () => Promise.resolve(Response.json({ error: 'FORCE_LOGOUT' }, { status: 401 }));
    await expect(tab.client.signOut({ everywhere: true })).resolves.toBeUndefined();
    expect(tab.signedOut).toEqual(['security']);
  });

  it('is not undone by what another tab had said before', async () => {
    const { tab, machine } = await scene.signedIn();
    const other = machine.openTab();
    await other.client.ready();
    const said: unknown[] = [];
    const channel = machine.listen((message) => said.push(message));
    scene.expireAccess();
    expect(await statusOf(other.client.fetch(ME))).toBe(200);
    await seen('the token is told', () => JSON.stringify(said).includes('ghr_'));
    other.kill();
    await tab.client.signOut();
    for (const message of said) channel.postMessage(message);
    channel.close();
    // A tab that answers has received all earlier messages.
    await machine.openTab().client.ready();
    expect(tab.client.signedIn).toBe(false);
  });

  it('is followed by a session like any other, prompts and all', async () => {
    let code = '';
    const { tab, person, nextCode } = await scene.signedIn({ onStepUp: () => code });
    await tab.client.signOut();
    await tab.client.signOut();
    await tab.client.signIn({ email: person.email, password: person.password });
    code = nextCode();
    expect(await statusOf(tab.client.fetch(GUARDED))).toBe(200);
  });
});

describe('an application with a fault of its own in onSignedOut', () => {
  it('is told of it, and the tab goes to the sign-in page all the same', async () => {
    const fault = new Error('a fault of the application');
    const { tab } = await scene.signedIn({
      loginUrl: '/login?lang=en',
      onSignedOut: () => {
        throw fault;
      },
    });
    tab.network = () => Promise.resolve(Response.json({ error: 'FORCE_LOGOUT' }, { status: 401 }));
    await expect(tab.client.fetch(ME)).rejects.toMatchObject({ code: 'SIGNED_OUT' });
    expect(tab.reported).toEqual([fault]);
    expect(tab.wentTo).toEqual(['/login?lang=en&reason=security']);
  });
});
