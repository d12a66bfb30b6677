import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { closeLater } from '@/tests/helpers/server/closing';
import { ME, openScene, statusOf } from '@/tests/helpers/browser/clientScene';
import { openMachine } from '@/tests/helpers/browser/simulatedBrowser';
import type { Tab } from '@/tests/helpers/browser/simulatedBrowser';

const LOGOUT_ALL = '/api/auth/logout-all';
type Scene = Awaited<ReturnType<typeof openScene>>;
let scene: Scene;
beforeAll(async () => {
  scene = await openScene();
});

const unauthenticated = () =>
  Promise.resolve(Response.json({ error: 'UNAUTHENTICATED' }, { status: 401 }));
const callsTo = (tab: Tab, path: string) => tab.calls.filter((call) => call.path === path);

/** Opens a foreign server that keeps the headers that it receives. */
async function openStranger() {
  const seen: (string | undefined)[] = [];
  const server = createServer((req, res) => {
    seen.push(req.headers.authorization);
    res.writeHead(401, { 'content-type': 'application/json' }).end('{"error":"UNAUTHENTICATED"}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closeLater(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return { seen, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

describe('a request of the application', () => {
  it('carries the bearer to Gatehouse', async () => {
    const { tab } = await scene.signedIn();
    const res = await tab.client.fetch(ME, { headers: { 'x-correlation-id': 'from-the-app' } });
    expect(res.headers.get('x-correlation-id')).toBe('from-the-app');
    expect(callsTo(tab, ME)[0]?.authorization).toMatch(/^Bearer ey/);
  });

  it('never carries the bearer to another origin, and is left alone there', async () => {
    const { tab } = await scene.signedIn();
    const { seen, url } = await openStranger();
    for (const target of [`${url}/x`, new URL(url), new Request(`${url}/y`)]) {
      expect(await statusOf(tab.client.fetch(target))).toBe(401);
    }
    expect(seen).toEqual([undefined, undefined, undefined]);
    expect(tab.refreshes()).toEqual([]);
  });

  it('is repeated once after a 401, never more, however often it is refused', async () => {
    const { tab } = await scene.signedIn();
    tab.network = (call, send) => (call.path === ME ? unauthenticated() : send());
    expect(await statusOf(tab.client.fetch(ME))).toBe(401);
    expect(callsTo(tab, ME)).toHaveLength(2);
    expect(tab.refreshes()).toHaveLength(1);
    const [first, second] = callsTo(tab, ME);
    expect(second?.authorization).not.toBe(first?.authorization);
  });

  it('is repeated once after a 428, never more, even where a 401 follows', async () => {
    const onStepUp = jest.fn(() => '123456');
    const { tab } = await scene.signedIn({ onStepUp });
    const gate = { error: 'STEP_UP_REQUIRED', purpose: 'data_export', methods: ['totp'] };
    let count = 0;
    tab.network = (call) => {
      if (call.path.endsWith('/verify')) return Promise.resolve(Response.json({ verified: true }));
      count += 1;
      return count % 2 ? Promise.resolve(Response.json(gate, { status: 428 })) : unauthenticated();
    };
    expect(await statusOf(tab.client.fetch(ME))).toBe(401);
    expect(callsTo(tab, ME)).toHaveLength(2);
    expect(onStepUp).toHaveBeenCalledTimes(1);
  });

  it('is not repeated where its body is a stream, or might be one', async () => {
    const { tab } = await scene.signedIn();
    tab.network = (call, send) => (call.path === LOGOUT_ALL ? unauthenticated() : send());
    const stream = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('{}'));
        controller.close();
      },
    });
    const init = { method: 'POST', body: stream, duplex: 'half' } as RequestInit;
    expect(await statusOf(tab.client.fetch(LOGOUT_ALL, init))).toBe(401);
    const request = new Request(`${scene.url}${LOGOUT_ALL}`, { method: 'POST', body: '{}' });
    expect(await statusOf(tab.client.fetch(request))).toBe(401);
    // A stream as some browsers have it, which cannot be iterated over.
    const older = { method: 'POST', body: { getReader: () => undefined } as never };
    expect(await statusOf(tab.client.fetch(LOGOUT_ALL, older))).toBe(401);
    expect(callsTo(tab, LOGOUT_ALL)).toHaveLength(3);
    expect(tab.refreshes()).toEqual([]);
  });

  it('is repeated where its body can be sent twice', async () => {
    const { tab } = await scene.signedIn();
    const bodies: string[] = [];
    tab.network = (call, send) => {
      if (call.path !== LOGOUT_ALL) return send();
      bodies.push(call.body);
      return bodies.length === 1 ? unauthenticated() : Promise.resolve(new Response('{}'));
    };
    const init = { method: 'POST', body: '{"a":1}' };
    expect(await statusOf(tab.client.fetch(LOGOUT_ALL, init))).toBe(200);
    expect(bodies).toEqual(['{"a":1}', '{"a":1}']);
  });

  it('is repeated with a form or a file in its body, all of it', async () => {
    const { tab } = await scene.signedIn();
    const form = new FormData();
    form.set('name', 'Ann');
    for (const body of [form, new Blob(['Ann'])]) {
      const sent: string[] = [];
      let count = 0;
      tab.network = (call, send) => {
        if (call.path !== '/api/upload') return send();
        return count++ === 0 ? unauthenticated() : Promise.resolve(new Response('{}'));
      };
      tab.sending = async (request) => {
        if (request.url.endsWith('/api/upload')) sent.push(await request.text());
      };
      const init = { method: 'POST', body };
      expect(await statusOf(tab.client.fetch('/api/upload', init))).toBe(200);
      expect(sent).toHaveLength(2);
      for (const text of sent) expect(text).toContain('Ann');
    }
  });

  it('is repeated where its answer has no body to read, as one to HEAD', async () => {
    const { tab } = await scene.signedIn();
    scene.expireAccess();
    const bearer = await statusOf(tab.client.fetch(ME, { method: 'HEAD' }));
    expect(bearer).toBe(200);
    expect(callsTo(tab, ME).map(({ status }) => status)).toEqual([401, 200]);
    expect(tab.refreshes()).toHaveLength(1);
  });

  it('is relative to the page, as with the browser’s own fetch, or else to baseUrl', async () => {
    const { tab, machine } = await scene.signedIn();
    tab.network = () => Promise.resolve(new Response('{}'));
    await tab.client.fetch('data.json');
    await tab.client.fetch('/data.json');
    const other = machine.openTab({ baseUrl: scene.url });
    other.network = tab.network;
    await other.client.fetch('data.json');
    expect([...tab.calls.slice(-2), ...other.calls.slice(-1)].map(({ path }) => path)).toEqual([
      '/app/data.json',
      '/data.json',
      '/data.json',
    ]);
  });

  it('can be given up without harm to the others who wait for the same refresh', async () => {
    const { tab } = await scene.signedIn();
    scene.expireAccess();
    const giveUp = new AbortController();
    tab.network = (call, send) => {
      if (call.path === '/api/auth/refresh') giveUp.abort(new Error('changed my mind'));
      return send();
    };
    const [one, two] = await Promise.allSettled([
      tab.client.fetch(ME, { signal: giveUp.signal }),
      statusOf(tab.client.fetch(ME)),
    ]);
    expect(one).toMatchObject({ status: 'rejected', reason: { message: 'changed my mind' } });
    expect(two).toEqual({ status: 'fulfilled', value: 200 });
  });

  it('goes without a bearer, and is repeated by nobody, where nobody is signed in', async () => {
    const tab = openMachine(scene.url).openTab();
    expect(await tab.client.ready()).toBe(false);
    expect(await statusOf(tab.client.fetch(ME))).toBe(401);
    expect(tab.calls).toMatchObject([{ path: ME, authorization: null }]);
  });

  it('fails as fetch does where the network fails, and is not sent again', async () => {
    const { tab } = await scene.signedIn();
    tab.network = () => Promise.reject(new TypeError('gone'));
    await expect(tab.client.fetch(ME)).rejects.toThrow(TypeError);
    expect(callsTo(tab, ME)).toHaveLength(1);
  });
});
