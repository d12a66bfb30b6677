import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express from 'express';
import type { Browser, Page, Request, Route } from 'playwright-core';
import { chromium } from 'playwright-core';
import { db } from '@/server/db';
import { tenantStaff } from '@/server/db/schema';
import { ADDRESS } from '@/tests/helpers/http/authCalls';
import { auditOf } from '@/tests/helpers/database/authRows';
import { closeLater } from '@/tests/helpers/server/closing';
import { listen } from '@/tests/helpers/http/listen';
import { faultsOf, overflowOf } from '@/tests/helpers/browser/readableBy';
import { launchBrowser, shown } from '@/tests/helpers/browser/realBrowser';
import { giveFactor } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const HERE = { extraHTTPHeaders: { 'x-forwarded-for': ADDRESS.GB } };

/** @param path a prefix that a gateway removes before Gatehouse */
async function openServer(ttlSec = 300, path = '') {
  const { app } = buildApp({ mode: 'embedded', accessTokenTtlSec: ttlSec });
  const url = await listen(path === '' ? app : express().use(path, app));
  return `${url.replace('127.0.0.1', 'localhost')}${path}/demo`;
}

interface Person {
  email: string;
  password: string;
  tenantId: string;
}

async function signIn(page: Page, { email, password }: Person, remember = false): Promise<void> {
  await page.fill('input[name=email]', email);
  await page.fill('input[name=password]', password);
  if (remember) await page.check('input[name=rememberMe]');
  await page.click('#sign-in button');
  await shown(page, '#who', new RegExp(email));
}

async function openHome(browser: Browser, ttlSec?: number, path?: string) {
  const url = await openServer(ttlSec, path);
  const person = await seedTestUserAndToken();
  const context = await browser.newContext(HERE);
  const page = await context.newPage();
  await page.goto(url);
  await signIn(page, person);
  return { url, person, context, page };
}

const expectNoTheft = async ({ tenantId }: Person) =>
  expect(await auditOf('REFRESH_REUSE_DETECTED', tenantId)).toEqual([]);

/** Loses the server's answer on the way, so that the browser does not get the cookie either. */
async function loseCookie(request: Request): Promise<void> {
  const [headers, body] = [await request.allHeaders(), request.postData()];
  await fetch(request.url(), { method: 'POST', headers, body });
}

/**
 * Lets the next refresh reach the server without an answer, and reloads the page in the meantime.
 */
async function reloadMidway(page: Page, send: (route: Route) => Promise<unknown>): Promise<void> {
  const asked = new Promise<void>((resolve) => {
    const answer = async (route: Route) => {
      await send(route);
      resolve();
    };
    void page.route('**/api/auth/refresh', answer, { times: 1 });
  });
  await page.reload({ waitUntil: 'commit' });
  await asked;
}

/**
 * Makes the page reload itself, and waits until the new one has begun. The browser's protocol
 * cannot do this, because it refuses a reload while another one runs.
 */
async function reloadAtOnce(page: Page): Promise<void> {
  const begun = page.waitForEvent('framenavigated');
  await page.evaluate(() => {
    const { location } = globalThis as unknown as { location: { reload(): void } };
    setTimeout(() => location.reload());
  });
  await begun;
}

describe('a person who is signed in by the refresh cookie, in a real browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser();
  });

  it('stays so over a reload, again and again', async () => {
    const { page, person } = await openHome(browser);
    for (let time = 0; time < 5; time += 1) {
      await page.reload();
      await shown(page, '#who', new RegExp(person.email));
    }
    await expectNoTheft(person);
  });

  it.each([
    // Playwright stores cookies of its own request in the browser.
    ['keeps', (route: Route) => route.fetch({ maxRetries: 3 }), true],
    ['loses', (route: Route) => loseCookie(route.request()), false],
  ] as const)(
    'stays so over reloads in the middle of a refresh if the browser %s the cookie',
    async (_what, send, keeps) => {
      const { context, page, person } = await openHome(browser);
      const jar = async () =>
        (await context.cookies()).find(({ name }) => name === 'refresh')?.value;
      const before = await jar();
      for (let time = 0; time < 4; time += 1) await reloadMidway(page, send);
      expect((await jar()) === before).toBe(!keeps);
      for (let time = 0; time < 2; time += 1) {
        await page.reload();
        await shown(page, '#who', new RegExp(person.email));
      }
      await expectNoTheft(person);
    },
  );

  it('stays so over reloads that nobody waits for', async () => {
    const { page, person } = await openHome(browser);
    for (let time = 0; time < 10; time += 1) await reloadAtOnce(page);
    await shown(page, '#who', new RegExp(person.email));
    await expectNoTheft(person);
  });

  it('stays so in two tabs that are loaded again at the same time', async () => {
    const { url, context, page, person } = await openHome(browser, 2);
    const other = await context.newPage();
    await other.goto(url);
    await shown(other, '#who', new RegExp(person.email));
    for (let time = 0; time < 4; time += 1) {
      await Promise.all([page.reload(), other.reload()]);
      for (const tab of [page, other]) await shown(tab, '#who', new RegExp(person.email));
    }
    await expectNoTheft(person);
  });

  it.each([
    ['is still signed in when the browser is closed and opened again, if they asked for it', true],
    ['is signed out by closing the browser otherwise', false],
  ])('%s', async (_what, remember) => {
    const url = await openServer();
    const person = await seedTestUserAndToken();
    const profile = mkdtempSync(join(tmpdir(), 'gatehouse-profile-'));
    closeLater(() => Promise.resolve(rmSync(profile, { recursive: true, force: true })));
    const start = async () => {
      const executablePath = process.env['CHROMIUM'] ?? '';
      const args = ['--no-sandbox', '--disable-gpu', '--no-first-run'];
      const context = await chromium.launchPersistentContext(profile, {
        ...HERE,
        executablePath,
        args,
      });
      const page = context.pages()[0] ?? (await context.newPage());
      await page.goto(url);
      return { context, page };
    };
    const before = await start();
    await signIn(before.page, person, remember);
    await before.context.close();
    const { context, page } = await start();
    await shown(page, remember ? '#who' : '#sign-in', remember ? new RegExp(person.email) : /./);
    await context.close();
    await expectNoTheft(person);
  });
});

describe('the example page', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser();
  });

  it('lets a person of two tenants choose one', async () => {
    const url = await openServer();
    const first = await seedTestUserAndToken();
    const second = await seedTestUserAndToken();
    await db.insert(tenantStaff).values({ tenantId: second.tenantId, userId: first.userId });
    const page = await (await browser.newContext(HERE)).newPage();
    await page.goto(url);
    await page.fill('input[name=email]', first.email);
    await page.fill('input[name=password]', first.password);
    await page.click('#sign-in button');
    await shown(page, '#tenants', /./);
    const choices = page.locator('#choices input');
    expect(await choices.count()).toBe(2);
    expect(await faultsOf(page)).toEqual([]);
    await choices.nth(1).check();
    await page.click('#sign-in button');
    const who = await shown(page, '#who', new RegExp(first.email));
    expect([first.tenantId, second.tenantId].filter((id) => who.includes(id))).toHaveLength(1);
    await page.click('#sign-out');
    await shown(page, '#sign-in', /./);
    expect(await page.locator('#tenants').isVisible()).toBe(false);
  });

  it('works below a path, and stays there', async () => {
    const { context, page, person } = await openHome(browser, 300, '/gate');
    await page.reload();
    await shown(page, '#who', new RegExp(person.email));
    const asked: string[] = [];
    context.on('request', (request) => asked.push(new URL(request.url()).pathname));
    await page.click('#thief');
    await page.waitForURL(/\/gate\/demo\?reason=security$/);
    await shown(page, '#sign-in', /./);
    expect(asked.filter((path) => !path.startsWith('/gate/'))).toEqual([]);
  });

  it.each(['light', 'dark'] as const)(
    'has no fault that axe finds, landmarks, and the width of a phone, in %s',
    async (colorScheme) => {
      const url = await openServer();
      const person = await seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_VIEW'] });
      await giveFactor(person);
      const viewport = { width: 320, height: 640 };
      const page = await (await browser.newContext({ ...HERE, colorScheme, viewport })).newPage();
      await page.goto(url);
      await shown(page, '#sign-in', /./);
      const fine = async () => {
        expect(await faultsOf(page)).toEqual([]);
        expect(await overflowOf(page)).toBe(0);
      };
      await fine();
      for (const landmark of ['banner', 'main', 'form'] as const)
        expect(await page.getByRole(landmark).count()).toBe(1);
      const background = await page.evaluate('getComputedStyle(document.body).backgroundColor');
      expect(background).toBe(colorScheme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(18, 18, 18)');
      await signIn(page, person);
      await fine();
      await page.click('#export');
      await shown(page, '#why', /data_export/);
      await fine();
      await page.context().close();
    },
  );
});
