import { db } from '@/server/db';
import { riskPolicies } from '@/server/db/schema';
import type { StepUpAnswer, StepUpRequest } from '@/client/contract';
import { challengesOf, liveTokensOf } from '@/tests/helpers/authRows';
import { openScene, removeFactors, statusOf } from '@/tests/helpers/clientScene';
import { pollUntil } from '@/tests/helpers/pollUntil';
import { loseAnswer } from '@/tests/helpers/simulatedBrowser';
import type { Tab } from '@/tests/helpers/simulatedBrowser';
import { ABROAD } from '@/tests/helpers/traveller';

const ME = '/api/auth/me';
const POLICY = '/api/security/policy';
const EXPORT = '/api/compliance/export/bundle';
const RANGE = { from: '2026-01-01', to: '2026-01-02', format: 'csv' };

type Scene = Awaited<ReturnType<typeof openScene>>;
let scene: Scene;
beforeAll(async () => {
  scene = await openScene();
});

/** Somebody who answers as they are told, and remembers what they were asked. */
function person(
  answers: ((request: StepUpRequest) => StepUpAnswer | Promise<StepUpAnswer>)[] = [],
) {
  const asked: StepUpRequest[] = [];
  return {
    asked,
    answers,
    onStepUp(request: StepUpRequest) {
      asked.push(request);
      const next = answers[asked.length - 1];
      if (!next) throw new Error('asked once too often');
      return next(request);
    },
  };
}
const get = (tab: Tab, path: string) => statusOf(tab.client.fetch(path));
const exportBundle = (tab: Tab) =>
  statusOf(
    tab.client.fetch(EXPORT, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(RANGE),
    }),
  );
const paths = (tab: Tab) => tab.calls.map(({ path }) => path);

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
      // All four have been answered 428 before the person has read the question.
      while (tab.calls.filter(({ status }) => status === 428).length < 4) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      return nextCode();
    });
    const all = await Promise.all([1, 2, 3, 4].map(() => get(tab, POLICY)));
    expect(all).toEqual([200, 200, 200, 200]);
    expect(who.asked).toHaveLength(1);
    expect(paths(tab).filter((path) => path === POLICY)).toHaveLength(8);
  });

  it('asks again after a wrong code, with the tries that are left', async () => {
    const who = person();
    const { tab, nextCode } = await scene.signedIn(who);
    who.answers.push(
      () => '000000',
      () => 'not a code',
      () => nextCode(),
    );
    expect(await get(tab, POLICY)).toBe(200);
    expect(who.asked.map(({ error, attemptsLeft }) => [error, attemptsLeft])).toEqual([
      [undefined, undefined],
      ['INVALID_CODE', 4],
      ['INVALID_INPUT', undefined],
    ]);
  });

  it('asks five times at most: something that answers nonsense for ever is no person', async () => {
    const who = person(Array.from({ length: 9 }, () => () => 'nonsense'));
    const { tab } = await scene.signedIn(who);
    await expect(tab.client.fetch(POLICY)).rejects.toMatchObject({ code: 'STEP_UP_DISMISSED' });
    expect(who.asked).toHaveLength(5);
  });

  it('gives the tries of a challenge up with the server, and keeps the session', async () => {
    const who = person(Array.from({ length: 9 }, () => () => '000000'));
    const { tab } = await scene.signedIn(who);
    await expect(tab.client.fetch(POLICY)).rejects.toMatchObject({ code: 'INVALID_CODE' });
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
    const all = await Promise.allSettled([1, 2, 3].map(() => tab.client.fetch(POLICY)));
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
    expect(await get(tab, POLICY)).toBe(200);
    expect(who.asked).toHaveLength(1);
  });

  it('asks nobody who has nothing to prove with', async () => {
    const { tab, person: member } = await scene.signedIn();
    const { tenantId } = member;
    await db.insert(riskPolicies).values({ tenantId, policy: { methods: ['totp'] } });
    await removeFactors(member.staffId);
    scene.clock.forward(61);
    await expect(tab.client.fetch(POLICY)).rejects.toMatchObject({
      code: 'NO_FACTOR_ENROLLED',
      status: 428,
    });
  });

  it('does a passkey with what step-up/start says, and sends what the authenticator made of it', async () => {
    const who = person([() => ({ method: 'passkey' })]);
    const { machine, person: member } = await scene.signedIn();
    const options = { challenge: 'Y2hhbGxlbmdl', rpId: 'localhost' };
    const made = { id: 'credential', type: 'public-key' };
    const seen: unknown[] = [];
    const tab = machine.openTab(who, {
      passkeys: { parseRequestOptionsFromJSON: (json) => ({ parsed: json }) },
      credentials: {
        get: ({ publicKey }) => {
          seen.push(publicKey);
          return Promise.resolve({ toJSON: () => made });
        },
      },
    });
    // The server's own passkeys are tested where they are made: here it is what goes over the wire.
    tab.network = (call, send) => {
      if (call.path.endsWith('/start')) return Promise.resolve(Response.json(options));
      if (call.path.endsWith('/verify')) return Promise.resolve(Response.json({ verified: true }));
      return send();
    };
    expect(await get(tab, POLICY)).toBe(428);
    expect(seen).toEqual([{ parsed: options }]);
    const sent = tab.calls.filter(({ path }) => path.includes('step-up'));
    const challengeId: unknown = expect.stringMatching(/^chl_/);
    expect(sent.map(({ body }) => JSON.parse(body) as unknown)).toEqual([
      { purpose: 'security_settings', challengeId, method: 'passkey' },
      { purpose: 'security_settings', challengeId, passkey: made },
    ]);
    expect(member.staffId).toBeTruthy();
  });

  it('has the code sent by mail when the prompt asks for that', async () => {
    const who = person([
      async ({ sendMail }) => {
        await sendMail();
        return '123456';
      },
    ]);
    const { tab } = await scene.signedIn(who);
    tab.network = (call, send) =>
      call.path.includes('step-up') ? Promise.resolve(Response.json({ verified: true })) : send();
    await get(tab, POLICY);
    const [start, verify] = tab.calls.filter(({ path }) => path.includes('step-up'));
    expect(JSON.parse(start?.body ?? '')).toMatchObject({ method: 'email' });
    expect(start?.path).toBe('/api/security/step-up/start');
    expect(JSON.parse(verify?.body ?? '')).toMatchObject({ code: '123456' });
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
      // On its way when onStepUp is called: it arrives with nothing more to be done for it.
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
    // Asked on purpose, it asks the person anew, with the token that the 428 brought.
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

describe('a sign-in that is challenged', () => {
  it('asks, verifies and completes without sending the password again', async () => {
    const { person: member, machine, nextCode } = await scene.signedIn();
    machine.place = ABROAD;
    const who = person([() => nextCode()]);
    const tab = machine.openTab(who);
    await tab.client.signIn({ email: member.email, password: member.password });
    expect(who.asked).toMatchObject([{ score: 85, methods: ['totp'] }]);
    const own = paths(tab);
    expect(own).toEqual([
      '/api/auth/login',
      '/api/security/step-up/verify',
      '/api/auth/login/complete',
    ]);
    expect(await get(tab, ME)).toBe(200);
  });

  it('rejects with the code of the server where the password is wrong', async () => {
    const { person: member, machine } = await scene.signedIn();
    const tab = machine.openTab();
    await expect(
      tab.client.signIn({ email: member.email, password: 'something else entirely' }),
    ).rejects.toMatchObject({ code: 'INVALID_CREDENTIALS', status: 401 });
  });
});
