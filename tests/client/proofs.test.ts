import type { Browser } from '@/client/browser';
import type { StepUpAnswer } from '@/client/contract';
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
import { startMailServer } from '@/tests/helpers/mail/mailServer';
import { givePasskey } from '@/tests/helpers/passkeys/passkeyCalls';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import type { SoftAuthenticator } from '@/tests/helpers/passkeys/softAuthenticator';
import { ABROAD } from '@/tests/helpers/people/traveller';

type Scene = Awaited<ReturnType<typeof openScene>>;
let scene: Scene;
beforeAll(async () => {
  scene = await openScene();
});

describe('a passkey', () => {
  const touch = (): StepUpAnswer => ({ method: 'passkey' });

  /** Creates a person whose only factor is a passkey, with a browser that has it. */
  async function withPasskey(who: ReturnType<typeof person>, has: Partial<Browser> = {}) {
    const set = await scene.signedIn();
    await removeFactors(set.person.staffId);
    const bearer = (await set.tab.client.accessToken()) ?? '';
    const key = await givePasskey(scene, bearer);
    const tab = set.machine.openTab(who, { ...browserWith((options) => key.get(options)), ...has });
    await tab.client.ready();
    return { ...set, tab, key };
  }
  const browserWith = (get: (options: Parameters<SoftAuthenticator['get']>[0]) => object) => ({
    passkeys: { parseRequestOptionsFromJSON: (json: unknown) => json },
    credentials: {
      get: async ({ publicKey }: { publicKey: unknown }) => {
        const made = get(publicKey as Parameters<SoftAuthenticator['get']>[0]);
        return Promise.resolve({ toJSON: () => made });
      },
    },
  });

  it('proves an export with one touch', async () => {
    const who = person([touch]);
    const { tab } = await withPasskey(who);
    expect(await exportBundle(tab)).toBe(200);
    expect(who.asked).toMatchObject([{ methods: ['passkey'] }]);
    expect(paths(tab)).toEqual([
      EXPORT,
      '/api/security/step-up/start',
      '/api/security/step-up/verify',
      EXPORT,
    ]);
  });

  it('proves a sign-in from far away', async () => {
    const who = person([touch]);
    const { machine, person: member, key } = await withPasskey(person());
    machine.place = ABROAD;
    const tab = machine.openTab(
      who,
      browserWith((options) => key.get(options)),
    );
    await tab.client.signIn({ email: member.email, password: member.password });
    expect(who.asked).toHaveLength(1);
    expect(await get(tab, ME)).toBe(200);
  });

  it('that is not touched has the person asked again: they may have something else', async () => {
    const who = person([touch, () => null]);
    const get = () => Promise.reject(new DOMException('dismissed', 'NotAllowedError'));
    const { tab } = await withPasskey(who, { credentials: { get } });
    await expect(tab.client.fetch(GUARDED)).rejects.toMatchObject({ code: 'STEP_UP_DISMISSED' });
    expect(who.asked.map(({ error }) => error)).toEqual([undefined, 'PASSKEY_FAILED']);
  });

  it('that the browser knows nothing of has the person asked again, and the server nothing', async () => {
    const who = person([touch, () => null]);
    const { tab } = await withPasskey(who, { passkeys: {} });
    await expect(tab.client.fetch(GUARDED)).rejects.toMatchObject({ code: 'STEP_UP_DISMISSED' });
    expect(who.asked.map(({ error }) => error)).toEqual([undefined, 'PASSKEY_UNSUPPORTED']);
    expect(paths(tab)).toEqual([GUARDED]);
  });

  it('that does not verify has the person asked again, with the tries that are left', async () => {
    let forged = true;
    const who = person([touch, touch]);
    const set = await withPasskey(who);
    const tab = set.machine.openTab(
      who,
      browserWith((options) => {
        const deviation = forged ? { origin: 'https://evil.example' } : {};
        forged = false;
        return set.key.get(options, deviation);
      }),
    );
    expect(await get(tab, GUARDED)).toBe(200);
    expect(who.asked.map(({ error, attemptsLeft }) => [error, attemptsLeft])).toEqual([
      [undefined, undefined],
      ['INVALID_PASSKEY', 4],
    ]);
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
      // For the session that was there before.
      '/api/auth/logout',
    ]);
    expect(await get(tab, ME)).toBe(200);
  });

  it('has the code mailed to somebody who has nothing else, when the prompt asks for that', async () => {
    const mails = await startMailServer();
    const { signedIn } = await openScene({ mail: mails.settings() });
    const { person: member, machine } = await signedIn();
    await removeFactors(member.staffId);
    machine.place = ABROAD;
    const who = person([
      async ({ sendMail }) => {
        await sendMail();
        const codes = () =>
          Promise.resolve(
            mails.received.flatMap(({ to, text }) =>
              to.includes(member.email) ? (/^ {2}(\d{6})$/m.exec(text)?.[1] ?? []) : [],
            ),
          );
        const [code] = await pollUntil('the code arrives', codes, ({ length }) => length > 0);
        return code;
      },
    ]);
    const tab = machine.openTab(who);
    await tab.client.signIn({ email: member.email, password: member.password });
    expect(who.asked).toMatchObject([{ methods: ['email'] }]);
    expect(paths(tab).slice(0, 4)).toEqual([
      '/api/auth/login',
      '/api/security/step-up/start',
      '/api/security/step-up/verify',
      '/api/auth/login/complete',
    ]);
    expect(await get(tab, ME)).toBe(200);
  });

  it('rejects with the code of the server where no mail can be sent', async () => {
    const { person: member, machine } = await scene.signedIn();
    machine.place = ABROAD;
    const tab = machine.openTab({
      onStepUp: async ({ sendMail }) => {
        await sendMail();
        return null;
      },
    });
    const { email, password } = member;
    await expect(tab.client.signIn({ email, password })).rejects.toMatchObject({
      code: 'METHOD_UNAVAILABLE',
      status: 409,
    });
  });

  it('that is begun anew gives the prompt of the first up', async () => {
    const { person: member, machine, nextCode } = await scene.signedIn();
    machine.place = ABROAD;
    const who = person([() => new Promise(() => undefined), () => nextCode()]);
    const tab = machine.openTab(who);
    const { email, password } = member;
    const first = expect(tab.client.signIn({ email, password })).rejects.toMatchObject({
      code: 'STEP_UP_DISMISSED',
    });
    await pollUntil('it asks', () => Promise.resolve(who.asked.length), Boolean);
    await tab.client.signIn({ email, password });
    await first;
    expect(who.asked).toHaveLength(2);
    expect(who.asked[0]?.signal.aborted).toBe(true);
  });

  it('rejects with the code of the server where the password is wrong', async () => {
    const { person: member, machine } = await scene.signedIn();
    const tab = machine.openTab();
    await expect(
      tab.client.signIn({ email: member.email, password: 'something else entirely' }),
    ).rejects.toMatchObject({ code: 'INVALID_CREDENTIALS', status: 401 });
  });

  it('rejects as where there is no network, with the status, where a proxy answers', async () => {
    const { person: member, machine } = await scene.signedIn();
    const tab = machine.openTab();
    tab.network = () => Promise.resolve(new Response('<!doctype html>', { status: 502 }));
    const { email, password } = member;
    await expect(tab.client.signIn({ email, password })).rejects.toMatchObject({
      code: 'NETWORK',
      status: 502,
    });
  });
});
