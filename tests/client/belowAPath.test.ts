import express from 'express';
import { statusOf } from '@/tests/helpers/browser/clientScene';
import { listen } from '@/tests/helpers/http/listen';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { openMachine } from '@/tests/helpers/browser/simulatedBrowser';
import type { Tab } from '@/tests/helpers/browser/simulatedBrowser';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';
import { HOME } from '@/tests/helpers/people/traveller';

const clock = createMovableClock();
let url: string;
beforeAll(async () => {
  const proxy = express();
  proxy.use('/auth', buildApp({}, { clock }).app);
  proxy.use((_req, res) => void res.status(404).json({}));
  url = await listen(proxy);
});

async function signIn(baseUrl: string, options: object = {}) {
  const member = await seedTestUserAndToken();
  const machine = openMachine(url, { ...HOME });
  const tab = machine.openTab({ baseUrl, ...options });
  await tab.client.signIn({ email: member.email, password: member.password });
  return { tab, machine, member };
}
const last = (tab: Tab) => tab.calls.at(-1);

describe('a Gatehouse below a path', () => {
  it.each([
    ['an origin and a path', () => `${url}/auth`],
    ['with a slash at its end', () => `${url}/auth/`],
    ['with a query that means nothing', () => `${url}/auth?x=1#y`],
    ['a path of the page’s own origin', () => '/auth'],
  ])('is found by baseUrl: %s', async (_what, baseUrl) => {
    const { tab } = await signIn(baseUrl());
    expect(await statusOf(tab.client.fetch('/api/auth/me'))).toBe(200);
    expect(await statusOf(tab.client.fetch('api/auth/me'))).toBe(200);
    expect(await statusOf(tab.client.fetch(`${url}/auth/api/auth/me`))).toBe(200);
    clock.forward(400);
    expect(await statusOf(tab.client.fetch('/api/auth/me'))).toBe(200);
    await tab.client.signOut({ everywhere: true });
    for (const call of tab.calls) expect(call.path).toMatch(/^\/auth\/(api|health)\//);
  });

  it.each([
    ['a neighbour whose name begins alike', '/authother/api'],
    ['the path itself without its slash', '/auth'],
    ['the origin’s root', '/api/orders'],
    ['a way out of the path', '/auth/../api/orders'],
    ['an encoded way out', '/auth/%2e%2e/api/orders'],
  ])('has its bearer kept from %s', async (_what, path) => {
    const { tab } = await signIn(`${url}/auth`);
    for (const target of [`${url}${path}`, new URL(path, url), new Request(`${url}${path}`)]) {
      await statusOf(tab.client.fetch(target));
      expect(last(tab)?.authorization).toBeNull();
    }
    await statusOf(tab.client.fetch('../api/orders'));
    expect([last(tab)?.path, last(tab)?.authorization]).toEqual(['/api/orders', null]);
  });

  it('keeps a person signed in over a reload by the refresh cookie', async () => {
    const { tab, machine } = await signIn(`${url}/auth`, { refreshCookie: true });
    tab.kill();
    const again = machine.openTab({ baseUrl: `${url}/auth`, refreshCookie: true });
    expect(await again.client.ready()).toBe(true);
    expect(await statusOf(again.client.fetch('/api/auth/me'))).toBe(200);
  });
});
