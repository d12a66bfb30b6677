import { challengesOf, liveTokensOf } from '@/tests/helpers/database/authRows';
import {
  EXPORT,
  ME,
  GUARDED,
  exportBundle,
  get,
  openScene,
  paths,
  person,
  removeFactors,
} from '@/tests/helpers/browser/clientScene';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { loseAnswer } from '@/tests/helpers/browser/simulatedBrowser';
import { ABROAD } from '@/tests/helpers/people/traveller';

type Scene = Awaited<ReturnType<typeof openScene>>;
let scene: Scene;
beforeAll(async () => {
  scene = await openScene();
});

describe('a guarded route', () => {
  it('has the person asked, the proof verified, and the request repeated once', async () => {
    const who = person();
    const { tab, nextCode } = await scene.signedIn(who);
    who.answers.push(() => nextCode());
    expect(await exportBundle(tab)).toBe(200);
    expect(who.asked).toMatchObject([
      { purpose: 'data_export', methods: ['totp'], score: undefined, reasons: [] },
    ]);
    expect(paths(tab).slice(1)).toEqual([EXPORT, '/api/security/step-up/verify', EXPORT]);
  });

  it('asks the person once for requests that run into it together', async () => {
    const who = person();
    const { tab, nextCode } = await scene.signedIn(who);
    who.answers.push(async () => {
      // All four requests have received a 428 before the person has read the question.
      while (tab.calls.filter(({ status }) => status === 428).length < 4) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      return nextCode();
    });
    const all = await Promise.all([1, 2, 3, 4].map(() => get(tab, GUARDED)));
    expect(all).toEqual([200, 200, 200, 200]);
    expect(who.asked).toHaveLength(1);
    expect(paths(tab).filter((path) => path === GUARDED)).toHaveLength(8);
  });

  it('asks again after a wrong code, with the tries that are left', async () => {
    const who = person();
    const { tab, nextCode } = await scene.signedIn(who);
    who.answers.push(
      () => '000000',
      () => 'not a code',
      () => nextCode(),
    );
    expect(await get(tab, GUARDED)).toBe(200);
    expect(who.asked.map(({ error, attemptsLeft }) => [error, attemptsLeft])).toEqual([
      [undefined, undefined],
      ['INVALID_CODE', 4],
      ['INVALID_INPUT', undefined],
    ]);
  });

  it('asks five times at most: something that answers nonsense for ever is no person', async () => {
    const who = person(Array.from({ length: 9 }, () => () => 'nonsense'));
    const { tab } = await scene.signedIn(who);
    await expect(tab.client.fetch(GUARDED)).rejects.toMatchObject({ code: 'STEP_UP_DISMISSED' });
    expect(who.asked).toHaveLength(5);
  });

  it('gives the tries of a challenge up with the server, and keeps the session', async () => {
    const who = person(Array.from({ length: 9 }, () => () => '000000'));
    const { tab } = await scene.signedIn(who);
    await expect(tab.client.fetch(GUARDED)).rejects.toMatchObject({ code: 'INVALID_CODE' });
    expect(who.asked).toHaveLength(5);
    expect(await get(tab, ME)).toBe(200);
  });

  it('rejects all who wait when the prompt is dismissed, and leaves the session', async () => {
    const who = person();
    const { tab } = await scene.signedIn(who);
    who.answers.push(async () => {
      while (tab.calls.filter(({ status }) => status === 428).length < 3) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      return null;
    });
    const all = await Promise.allSettled([1, 2, 3].map(() => tab.client.fetch(GUARDED)));
    expect(all).toMatchObject(
      [1, 2, 3].map(() => ({ status: 'rejected', reason: { code: 'STEP_UP_DISMISSED' } })),
    );
    expect(who.asked).toHaveLength(1);
    expect(await get(tab, ME)).toBe(200);
    expect(tab.signedOut).toEqual([]);
  });

  it('hands a second 428 to the application: a proof for one export is not asked for in a loop', async () => {
    const who = person();
    const { tab, nextCode } = await scene.signedIn(who);
    who.answers.push(async () => {
      while (tab.calls.filter(({ status }) => status === 428).length < 2) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      return nextCode();
    });
    const both = await Promise.all([exportBundle(tab), exportBundle(tab)]);
    expect(both.sort()).toEqual([200, 428]);
    expect(who.asked).toHaveLength(1);
    expect(paths(tab).filter((path) => path === EXPORT)).toHaveLength(4);
  });

  it('survives the loss of the answer to the code, without asking twice', async () => {
    const who = person();
    const { tab, nextCode } = await scene.signedIn(who);
    who.answers.push(() => nextCode());
    let lost = 0;
    tab.network = (call, send) =>
      call.path.endsWith('/verify') && lost++ === 0 ? loseAnswer(send) : send();
    expect(await get(tab, GUARDED)).toBe(200);
    expect(who.asked).toHaveLength(1);
  });

  it('asks nobody who has nothing to prove with', async () => {
    const nothing = await openScene({
      production: true,
      mail: { ...scene.deps.config.mail, smtp: undefined },
    });
    const { tab, person: member } = await nothing.signedIn();
    await removeFactors(member.staffId);
    await expect(tab.client.fetch(GUARDED)).rejects.toMatchObject({
      code: 'NO_FACTOR_ENROLLED',
      status: 428,
    });
  });

  it('says of an onStepUp that throws what it threw, and asks with the next request anew', async () => {
    const fault = new Error('a fault of the application');
    const who = person([
      () => {
        throw fault;
      },
      () => Promise.reject(fault),
    ]);
    const { tab, nextCode } = await scene.signedIn(who);
    for (const cause of [fault, fault]) {
      const failed = { name: 'GatehouseError', code: 'STEP_UP_FAILED', cause };
      await expect(tab.client.fetch(GUARDED)).rejects.toMatchObject(failed);
    }
    who.answers.push(() => nextCode());
    expect(await get(tab, GUARDED)).toBe(200);
  });

  it('asks for one proof after the other, and for none of a session that ended meanwhile', async () => {
    const { person: member, tab: first, machine, nextCode } = await scene.signedIn();
    let open = 0;
    const who = person([
      () => {
        open += 1;
        return new Promise(() => undefined);
      },
    ]);
    const tab = machine.openTab(who);
    await tab.client.ready();
    const waiting = [tab.client.fetch(GUARDED), exportBundle(tab)];
    const ended = Promise.all(
      waiting.map((one) => expect(one).rejects.toMatchObject({ code: 'SIGNED_OUT' })),
    );
    const refused = () => Promise.resolve(tab.calls.filter(({ status }) => status === 428).length);
    await pollUntil('both are challenged', refused, (count) => count === 2);
    await first.client.signOut();
    await ended;
    expect(open).toBe(1);
    // The prompt that was never answered must not block anything.
    await tab.client.signIn({ email: member.email, password: member.password });
    expect(who.asked).toHaveLength(1);
    who.answers.push(() => nextCode());
    expect(await get(tab, GUARDED)).toBe(200);
    expect(who.asked).toHaveLength(2);
  });
});

describe('a refresh that is challenged', () => {
  async function abroad(who: ReturnType<typeof person>) {
    const saved: (string | null)[] = [];
    const storage = { load: () => null, save: (value: string | null) => void saved.push(value) };
    const set = await scene.signedIn({ onStepUp: who.onStepUp, storage });
    set.machine.place = ABROAD;
    scene.expireAccess();
    return { ...set, saved };
  }

  it('has the rotated token stored, here and in every tab, before onStepUp is called', async () => {
    const who = person();
    const { tab, machine, nextCode, saved, person: member } = await abroad(who);
    const heard: unknown[] = [];
    const listener = machine.listen((message) => heard.push(message));
    who.answers.push(async () => {
      const stored = JSON.parse(saved.at(-1) ?? '{}') as { refreshToken: string; n: number };
      const sent = JSON.parse(tab.refreshes()[0]?.body ?? '{}') as { refreshToken: string };
      expect(stored.n).toBe(1);
      expect(stored.refreshToken).toMatch(/^ghr_/);
      expect(stored.refreshToken).not.toBe(sent.refreshToken);
      // The message is already on its way when onStepUp is called, and arrives without any further
      // action.
      const told = () => Promise.resolve(JSON.stringify(heard));
      await pollUntil('it is told', told, (all) => all.includes(stored.refreshToken));
      expect(await liveTokensOf(member.staffId)).toHaveLength(2);
      return nextCode();
    });
    expect(await get(tab, ME)).toBe(200);
    listener.close();
    expect(who.asked).toMatchObject([
      {
        purpose: 'security_settings',
        methods: ['totp'],
        score: 85,
        reasons: ['NEW_DEVICE', 'NEW_COUNTRY', 'IMPOSSIBLE_TRAVEL'],
      },
    ]);
    expect(tab.refreshes().map(({ status }) => status)).toEqual([428, 200]);
    expect(tab.signedOut).toEqual([]);
  });

  it('asks the person once for parallel requests in two tabs, and answers them all', async () => {
    const who = person();
    const { tab, machine, nextCode } = await abroad(who);
    const other = machine.openTab({ onStepUp: who.onStepUp });
    await other.client.ready();
    who.answers.push(() => nextCode());
    const all = await Promise.all([tab, tab, other, other, tab].map((one) => get(one, ME)));
    expect(all).toEqual([200, 200, 200, 200, 200]);
    expect(who.asked).toHaveLength(1);
  });

  it('rejects all who wait, in both tabs, when the prompt is dismissed, and leaves the session', async () => {
    const who = person([() => undefined]);
    const { tab, machine, nextCode } = await abroad(who);
    const other = machine.openTab({ onStepUp: who.onStepUp });
    await other.client.ready();
    const all = await Promise.allSettled([tab, tab, other, other].map((one) => get(one, ME)));
    expect(
      all.map((one) => (one.status === 'rejected' ? (one.reason as Error).message : 0)),
    ).toEqual(Array.from({ length: 4 }, () => 'STEP_UP_DISMISSED'));
    expect(who.asked).toHaveLength(1);
    expect([...tab.signedOut, ...other.signedOut]).toEqual([]);
    // A deliberate request asks the person again, with the token that came with the 428.
    who.answers.push(() => nextCode());
    expect(await get(other, ME)).toBe(200);
    expect(who.asked).toHaveLength(2);
  });

  it('asks again when the tab with the prompt is closed, in the tab that waits', async () => {
    const who = person();
    const { tab, machine, nextCode, person: member } = await abroad(who);
    const other = machine.openTab({ onStepUp: who.onStepUp });
    await other.client.ready();
    who.answers.push(
      () => {
        tab.kill();
        return new Promise(() => undefined);
      },
      () => nextCode(),
    );
    void tab.client.fetch(ME);
    expect(await get(other, ME)).toBe(200);
    expect((await challengesOf(member.staffId)).length).toBeGreaterThan(0);
    expect(other.signedOut).toEqual([]);
  });
});

describe('a refresh that is challenged twice in a row', () => {
  it('rejects with the challenge, keeps the session, and asks the person once', async () => {
    const who = person();
    const { tab, machine, nextCode } = await scene.signedIn(who);
    machine.place = ABROAD;
    scene.expireAccess();
    who.answers.push(() => nextCode());
    tab.network = async (call, send) => {
      const response = await send();
      if (call.path !== '/api/auth/refresh' || tab.refreshes().length !== 2) return response;
      const body = (await response.json()) as object;
      const challenge = {
        error: 'STEP_UP_REQUIRED',
        purpose: 'security_settings',
        methods: ['totp'],
      };
      return Response.json({ ...body, accessToken: undefined, ...challenge }, { status: 428 });
    };
    await expect(tab.client.fetch(ME)).rejects.toMatchObject({
      code: 'STEP_UP_REQUIRED',
      status: 428,
    });
    expect(who.asked).toHaveLength(1);
    expect(tab.refreshes()).toHaveLength(2);
    tab.network = (_call, send) => send();
    who.answers.push(() => nextCode());
    expect(await get(tab, ME)).toBe(200);
    expect(tab.signedOut).toEqual([]);
  });
});
