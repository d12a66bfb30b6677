import type { Browser, Page, Request, Route } from 'playwright-core';
import { auditOf, liveSessionsOf, tokensOf } from '@/tests/helpers/database/authRows';
import { ADDRESS } from '@/tests/helpers/http/authCalls';
import { listen } from '@/tests/helpers/http/listen';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { launchBrowser, plugIn, shown } from '@/tests/helpers/browser/realBrowser';
import { codeAt, giveFactor } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

/**
 * How many seconds the test looks. The client promises a minute, but each run of the suite checks
 * only some seconds.
 */
const SECONDS = Number(process.env['BROWSER_TEST_SECONDS'] ?? 8);

/** Opens a browser at home for a person who is signed in on the example page in one tab. */
async function openHome(browser: Browser, ttlSec = 300, host = '127.0.0.1') {
  const address = await listen((port: number) => {
    const webauthn = { rpId: 'localhost', origins: [`http://localhost:${port}`] };
    return buildApp({ mode: 'embedded', accessTokenTtlSec: ttlSec, webauthn }).app;
  });
  const url = address.replace('127.0.0.1', host);
  const permissions = ['SETTINGS_SECURITY_VIEW', 'SETTINGS_SECURITY_EDIT'];
  const person = await seedTestUserAndToken({ permissions });
  const secret = await giveFactor(person);
  const context = await browser.newContext({
    extraHTTPHeaders: { 'x-forwarded-for': ADDRESS.GB },
    acceptDownloads: true,
  });
  const said: string[] = [];
  context.on('console', (message) => said.push(message.text()));
  context.on('weberror', (error) => said.push(String(error.error())));
  const refreshes: Request[] = [];
  const urls: string[] = [];
  context.on('request', (request) => {
    urls.push(request.url());
    if (request.url().endsWith('/api/auth/refresh')) refreshes.push(request);
  });
  const openTab = async () => {
    const page = await context.newPage();
    await page.goto(`${url}/demo`);
    return page;
  };
  const tab = await openTab();
  await tab.fill('input[name=email]', person.email);
  await tab.fill('input[name=password]', person.password);
  await tab.click('#sign-in button');
  await shown(tab, '#who', new RegExp(person.email));
  return { url, person, secret, context, tab, openTab, said, refreshes, urls };
}

type Home = Awaited<ReturnType<typeof openHome>>;

/** Makes tabs ask for the session all the time. Each counts how often it got it. */
async function keepLooking(tabs: readonly Page[], everyMs: number): Promise<void> {
  for (const tab of tabs) {
    await tab.evaluate((ms) => {
      const page = globalThis as unknown as {
        seen: number;
        document: { getElementById(id: string): { click(): void } };
      };
      setInterval(() => page.document.getElementById('look').click(), ms);
    }, everyMs);
  }
}

const reusesOf = async ({ person }: Home) =>
  (await auditOf('REFRESH_REUSE_DETECTED', person.tenantId)).length;

async function expectAlive(home: Home, tabs: readonly Page[]): Promise<void> {
  expect(await reusesOf(home)).toBe(0);
  for (const tab of tabs) {
    expect(await tab.locator('#session').isVisible()).toBe(true);
    expect(await tab.locator('#notice').textContent()).not.toMatch(/Signed out/);
  }
}

/** A kept connection may be closed just when a request is sent on it; then it is sent on another one. */
const sent = (route: Route) => route.fetch({ maxRetries: 3 });

/** The server receives the request, and its answer is lost on the way. */
async function loseAnswer(route: Route): Promise<void> {
  await sent(route);
  await route.abort('connectionreset');
}

const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('the client in a real browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser();
  });

  it('signs in, and puts no token into what a script can read, a URL or the console', async () => {
    const { tab, said, urls, context } = await openHome(browser);
    const kept = await tab.evaluate(() => {
      const page = globalThis as unknown as {
        localStorage: object;
        sessionStorage: object;
        document: { cookie: string };
        location: { href: string };
      };
      const { localStorage, sessionStorage, document, location } = page;
      return JSON.stringify([localStorage, sessionStorage, document.cookie, location.href]);
    });
    expect([kept, ...said, ...urls].join('\n')).not.toMatch(/ghr_|eyJ/);
    const cookies = (await context.cookies()).filter(({ value }) => /ghr_|eyJ/.test(value));
    expect(cookies).toMatchObject([{ name: 'refresh', httpOnly: true, sameSite: 'Strict' }]);
    // The quotation marks are escaped within a string.
    expect(kept).not.toContain('key\\"');
    expect(said).toEqual([]);
  });

  it('has the person challenged for an export, asked again after a wrong code, and given the bundle', async () => {
    const { tab, secret } = await openHome(browser);
    await tab.click('#export');
    await shown(tab, '#why', /For data_export, with totp/);
    await tab.fill('#code', '000000');
    await tab.click('#prove');
    await shown(tab, '#why', /INVALID_CODE\), 4 tries left/);
    const download = tab.waitForEvent('download');
    await tab.fill('#code', codeAt(secret, new Date()));
    await tab.click('#prove');
    await shown(tab, '#notice', /Exported \d+ bytes/);
    expect((await download).suggestedFilename()).toBe('evidence.zip');
  });

  it('adds a passkey to a person who proves themself by code, and exports with one touch of it', async () => {
    const { tab, secret, context } = await openHome(browser, 300, 'localhost');
    const authenticator = await plugIn(context, tab);
    await tab.click('#add-passkey');
    await shown(tab, '#why', /For security_settings, with totp/);
    await tab.fill('#code', codeAt(secret, new Date()));
    await tab.click('#prove');
    await shown(tab, '#notice', /Passkey added/);
    expect(await authenticator.countPasskeys()).toBe(1);
    await tab.click('#export');
    await shown(tab, '#why', /For data_export, with passkey or totp/);
    const download = tab.waitForEvent('download');
    await tab.click('#passkey');
    await shown(tab, '#notice', /Exported \d+ bytes/);
    expect((await download).suggestedFilename()).toBe('evidence.zip');
  });

  it('asks for something else where the authenticator with the passkey is not there', async () => {
    const { tab, secret, context } = await openHome(browser, 300, 'localhost');
    const authenticator = await plugIn(context, tab);
    await tab.click('#add-passkey');
    await shown(tab, '#why', /For security_settings/);
    // The code of this step, and later that of the next: the earlier one ends while a test runs.
    await tab.fill('#code', codeAt(secret, new Date()));
    await tab.click('#prove');
    await shown(tab, '#notice', /Passkey added/);
    await authenticator.forget();
    await tab.click('#export');
    await shown(tab, '#why', /For data_export/);
    await tab.click('#passkey');
    await shown(tab, '#why', /PASSKEY_FAILED/);
    await tab.fill('#code', codeAt(secret, new Date(), 1));
    await tab.click('#prove');
    await shown(tab, '#notice', /Exported \d+ bytes/);
  });

  it('says where passkeys work when it was opened by an address', async () => {
    const { tab, url } = await openHome(browser);
    await shown(tab, '#no-passkeys', /an address is none/);
    expect(await tab.locator('#add-passkey').isVisible()).toBe(false);
    const link = await tab.locator('#no-passkeys a').getAttribute('href');
    expect(link).toBe(`${url.replace('127.0.0.1', 'localhost')}/demo`);
  });

  it('leaves the session when the prompt is dismissed', async () => {
    const { tab } = await openHome(browser);
    await tab.click('#export');
    await shown(tab, '#why', /For data_export/);
    await tab.keyboard.press('Escape');
    await shown(tab, '#notice', /STEP_UP_DISMISSED/);
    expect(await tab.locator('#session').isVisible()).toBe(true);
  });

  it(
    `refreshes once for two tabs that never stop asking, for ${SECONDS} seconds: no reuse, no loop, no lost session`,
    async () => {
      const home = await openHome(browser, 2);
      const tabs = [home.tab, await home.openTab()];
      await shown(tabs[1] ?? home.tab, '#who', /@/);
      await keepLooking(tabs, 50);
      await later(SECONDS * 1000);
      await expectAlive(home, tabs);
      // Each request made one token, so no refresh was sent twice. The next one follows after 1.4
      // to 1.7 seconds.
      const rotations = async () => (await tokensOf(home.person.staffId)).length - 2;
      const asked = () => home.refreshes.length;
      await pollUntil('each request made one token', rotations, (made) => made === asked());
      expect(asked()).toBeGreaterThanOrEqual(Math.floor(SECONDS / 2));
      expect(asked()).toBeLessThanOrEqual(Math.ceil(SECONDS / 1.3) + 1);
      expect(home.said).toEqual([]);
      await home.context.close();
    },
    SECONDS * 1000 + 60_000,
  );

  it(
    `loses no session to a network that drops every fifth answer, in two tabs for ${SECONDS} seconds`,
    async () => {
      const home = await openHome(browser, 2);
      const tabs = [home.tab, await home.openTab()];
      await shown(tabs[1] ?? home.tab, '#who', /@/);
      let dropped = 0;
      const counts = new Map<string, number>();
      await home.context.route('**/{api,health}/**', async (route) => {
        const of = new URL(route.request().url()).pathname;
        const count = (counts.get(of) ?? 0) + 1;
        counts.set(of, count);
        if (count % 5 !== 2) return route.continue();
        if (of === '/api/auth/refresh') dropped += 1;
        return loseAnswer(route);
      });
      await keepLooking(tabs, 100);
      await later(SECONDS * 1000);
      await home.context.unrouteAll({ behavior: 'wait' });
      expect(dropped).toBeGreaterThan(0);
      for (const tab of tabs) {
        await tab.evaluate(() => {
          const page = globalThis as unknown as {
            document: { getElementById(id: string): { textContent: string } };
          };
          page.document.getElementById('who').textContent = '';
        });
        await shown(tab, '#who', /@/);
      }
      await expectAlive(home, tabs);
      await home.context.close();
    },
    SECONDS * 1000 + 60_000,
  );

  it('goes on in the other tab when the one that refreshes is closed midway', async () => {
    const home = await openHome(browser, 2);
    const other = await home.openTab();
    await shown(other, '#who', /@/);
    const lost: Request[] = [];
    await home.tab.route('**/api/auth/refresh', async (route) => {
      await sent(route);
      lost.push(route.request());
      await home.tab.close();
    });
    await keepLooking([home.tab], 50);
    await pollUntil('the tab is closed', () => Promise.resolve(lost.length), Boolean);
    await keepLooking([other], 50);
    // Tokens live for two seconds. On a slow machine, a tab has refreshed before that.
    const sinceLost = () =>
      Promise.resolve(home.refreshes.slice(home.refreshes.findIndex((one) => one === lost[0])));
    const refreshed = await pollUntil(
      'the other refreshes',
      sinceLost,
      ({ length }) => length >= 3,
    );
    const [first, second, third] = refreshed.map((request) => request.headers()['idempotency-key']);
    expect(lost).toHaveLength(1);
    expect(second).toEqual(first);
    expect(third).not.toEqual(first);
    await expectAlive(home, [other]);
    // The tab would ask as long as the other tests of this file run.
    await home.context.close();
  });

  it('asks the person once, in one tab, when a refresh of two busy tabs is challenged', async () => {
    const home = await openHome(browser, 2);
    const tabs = [home.tab, await home.openTab()];
    await shown(tabs[1] ?? home.tab, '#who', /@/);
    await keepLooking(tabs, 100);
    await home.context.setExtraHTTPHeaders({ 'x-forwarded-for': ADDRESS.JP });
    const open = async () => {
      const asked = await Promise.all(tabs.map((tab) => tab.locator('#step-up').isVisible()));
      return tabs.filter((_tab, index) => asked[index]);
    };
    const [asking, ...more] = await pollUntil('it asks', open, (all) => all.length > 0);
    if (!asking) throw new Error('nobody asks');
    expect(more).toEqual([]);
    // Both tabs have needed a token for a long time, but nobody else is asked, and nothing is sent.
    const sent = home.refreshes.length;
    await later(2000);
    expect(await open()).toEqual([asking]);
    expect(home.refreshes).toHaveLength(sent);
    expect(await asking.locator('#why').textContent()).toMatch(/Score 60: NEW_COUNTRY/);
    await asking.fill('#code', codeAt(home.secret, new Date()));
    await asking.click('#prove');
    const going = () => Promise.resolve(home.refreshes.length);
    await pollUntil('the session goes on', going, (count) => count >= sent + 2);
    expect(await open()).toEqual([]);
    await expectAlive(home, tabs);
    await home.context.close();
  });

  it('signs every tab out by force when a stolen token comes back', async () => {
    const home = await openHome(browser);
    const other = await home.openTab();
    await shown(other, '#who', /@/);
    await home.tab.click('#thief');
    for (const tab of [home.tab, other]) {
      await tab.waitForURL(`${home.url}/demo?reason=security`);
      await shown(tab, '#notice', /Signed out: security/);
      expect(await tab.locator('#session').isVisible()).toBe(false);
    }
    expect(await liveSessionsOf(home.person.staffId)).toEqual([]);
  });

  it('signs the other tabs out with the person', async () => {
    const home = await openHome(browser);
    const other = await home.openTab();
    await shown(other, '#who', /@/);
    await home.tab.click('#sign-out');
    for (const tab of [home.tab, other]) await shown(tab, '#notice', /Signed out: signed_out/);
  });
});
