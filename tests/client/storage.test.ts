import type { SessionStorage } from '@/client/contract';
import { auditOf } from '@/tests/helpers/database/authRows';
import { ME, openScene, statusOf } from '@/tests/helpers/browser/clientScene';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import type { Tab } from '@/tests/helpers/browser/simulatedBrowser';

type Scene = Awaited<ReturnType<typeof openScene>>;
let scene: Scene;
beforeAll(async () => {
  scene = await openScene();
});

const me = (tab: Tab) => statusOf(tab.client.fetch(ME));
const reusesOf = async (tenantId: string) =>
  (await auditOf('REFRESH_REUSE_DETECTED', tenantId)).length;

describe('a storage that all tabs share', () => {
  it('is read before a token is spent: this tab may have heard nothing of the last ones', async () => {
    let kept: string | null = null;
    const storage: SessionStorage = { load: () => kept, save: (value) => void (kept = value) };
    const { machine, tab, person } = await scene.signedIn({ storage });
    const deaf = machine.openTab({ storage });
    await deaf.client.ready();
    deaf.leave();
    scene.expireAccess();
    expect(await me(tab)).toBe(200);
    expect(await me(deaf)).toBe(200);
    expect(deaf.refreshes()).toEqual([]);
    expect(await reusesOf(person.tenantId)).toBe(0);
  });

  it('is waited for: a session that ends meanwhile sends no token any more', async () => {
    const slow: { save?: () => void } = {};
    const storage: SessionStorage = {
      load: () => null,
      save: (value) =>
        value?.includes('sentAt')
          ? new Promise<void>((resolve) => (slow.save = resolve))
          : undefined,
    };
    const { machine, tab } = await scene.signedIn({ storage });
    const other = machine.openTab();
    await other.client.ready();
    scene.expireAccess();
    const asking = tab.client.fetch(ME);
    const rejected = expect(asking).rejects.toMatchObject({ code: 'SIGNED_OUT' });
    await pollUntil('it saves', () => Promise.resolve(slow.save), Boolean);
    await other.client.signOut();
    await pollUntil('it hears', () => Promise.resolve(tab.signedOut.length), Boolean);
    slow.save?.();
    await rejected;
    expect(tab.refreshes()).toEqual([]);
  });
});

describe('a storage that is stuck', () => {
  const stuck = () => new Promise<never>(() => undefined);

  it('takes nobody’s session', async () => {
    const { tab } = await scene.signedIn({ storage: { load: () => null, save: stuck } });
    scene.expireAccess();
    expect(await me(tab)).toBe(200);
  });

  it('does not keep a page from starting', async () => {
    const { machine } = await scene.signedIn();
    const tab = machine.openTab({ storage: { load: stuck, save: () => undefined } });
    expect(await tab.client.ready()).toBe(true);
  });
});
