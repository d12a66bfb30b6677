import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { closeLater } from '@/tests/helpers/server/closing';
import { listen } from '@/tests/helpers/http/listen';
import {
  checkpointOf,
  makeBundle,
  makeEvents,
  makeKeys,
  vkeyOf,
} from '@/tests/helpers/evidence/madeUpBundle';
import type { BundlePlan } from '@/tests/helpers/evidence/madeUpBundle';
import { brokenWordsOf, faultsOf, overflowOf } from '@/tests/helpers/browser/readableBy';
import { launchBrowser, shown } from '@/tests/helpers/browser/realBrowser';
import { REPOSITORY } from '@/tests/helpers/server/serverProcess';
import { buildApp } from '@/tests/helpers/server/testApp';

const keys = makeKeys();
const plan: BundlePlan = { events: makeEvents(130), keys, earlier: [120, 60] };
const pem = keys.publicKey.export({ format: 'pem', type: 'spki' }).toString();

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-page-'));
closeLater(() => Promise.resolve(rmSync(folder, { recursive: true, force: true })));
function file(name: string, content: Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}
const sound = file('sound.zip', makeBundle(plan));
const lines = file('lines.zip', makeBundle({ ...plan, format: 'json' }));
const longer = file('longer.zip', makeBundle({ ...plan, events: makeEvents(140) }));
const changed = makeBundle(plan);
// The first bit of the packed data tells whether more blocks follow.
const at = changed.indexOf('audit-log.csv') + 'audit-log.csv'.length;
changed[at] = (changed[at] ?? 0) ^ 1;
const flipped = file('flipped.zip', changed);

describe('the page that verifies bundles', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser();
  });

  async function open(url: string) {
    const context = await browser.newContext();
    const page = await context.newPage();
    const said: string[] = [];
    const urls: string[] = [];
    page.on('console', (message) => said.push(message.text()));
    page.on('pageerror', (error) => said.push(String(error)));
    context.on('request', (request) => urls.push(request.url()));
    await page.goto(url);
    const verify = async (bundle: string, verdict: RegExp) => {
      await page.setInputFiles('#bundle', bundle);
      // Uses only the keyboard.
      await page.focus('#verify');
      await page.keyboard.press('Enter');
      await shown(page, '#verdict', verdict);
      return (await page.locator('#report').innerText()).replaceAll('\t', ' ');
    };
    return { page, said, urls, verify };
  }

  it('verifies what the server does not see, finds a flipped byte, and asks for nothing', async () => {
    const address = await listen(() => buildApp().app);
    const { page, said, urls, verify } = await open(`${address}/verify`);
    await page.fill('#key-text', vkeyOf(keys));
    await page.fill('#earlier-text', checkpointOf(plan, 60));
    const report = await verify(
      sound,
      /^The bundle is sound, and signed by a key that you gave\.$/,
    );
    expect(report.match(/^\w+ ok /gm)).toHaveLength(13);
    expect(await verify(flipped, /^The bundle is NOT sound/)).toMatch(
      /zip_damaged +audit-log\.csv: /,
    );
    await page.setInputFiles('#earlier-files', longer);
    expect(await verify(sound, /NOT COMPARABLE.*from=130&to=140/)).toMatch(/earlier_ahead/);
    expect(urls).toEqual([`${address}/verify`]);
    expect(said).toEqual([]);
    const sent = page.evaluate(
      async (url) =>
        fetch(url).then(
          () => 'sent',
          () => 'refused',
        ),
      `${address}/health/live`,
    );
    expect(await sent).toBe('refused');
  });

  it('works as a file, with a key in a PEM, and says what it cannot do', async () => {
    const url = pathToFileURL(join(REPOSITORY, 'dist', 'verifier', 'verify.html')).href;
    const { page, said, urls, verify } = await open(url);
    await page.fill('#key-text', pem);
    expect(
      await verify(lines, /^The bundle is sound, and signed by a key that you gave\.$/),
    ).toMatch(/key ok the key is one that you gave/);
    await page.fill('#key-text', vkeyOf(makeKeys()));
    expect(await verify(lines, /NOT sound/)).toMatch(/key_foreign/);
    await page.fill('#key-text', 'no key');
    await page.click('#verify');
    await shown(page, '#status', /neither a PEM of an Ed25519 key nor a vkey/);
    expect(urls).toEqual([url]);
    expect(said).toEqual([]);
  });

  it('shows how far it is while it works, and no bar before and after', async () => {
    const address = await listen(() => buildApp().app);
    const { page, verify } = await open(`${address}/verify`);
    const bar = page.locator('#progress');
    expect(await bar.isVisible()).toBe(false);
    await page.evaluate(() => {
      const { document, MutationObserver } = globalThis as unknown as {
        document: { getElementById(id: string): { checkVisibility(): boolean; seen?: boolean } };
        MutationObserver: new (see: () => void) => { observe(what: object, how: object): void };
      };
      const shown = document.getElementById('progress');
      const look = () => void (shown.seen ||= shown.checkVisibility());
      new MutationObserver(look).observe(shown, { attributes: true });
    });
    await verify(sound, /./);
    expect(await bar.evaluate((element) => (element as { seen?: boolean }).seen)).toBe(true);
    expect(await bar.isVisible()).toBe(false);
  });

  it.each(['light', 'dark'] as const)(
    'fits a phone with every word whole, and has no fault that axe finds, in %s',
    async (colorScheme) => {
      const address = await listen(() => buildApp().app);
      const { page, verify } = await open(`${address}/verify`);
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width: 360, height: 740 });
      const fine = async () => {
        expect(await faultsOf(page)).toEqual([]);
        expect(await overflowOf(page)).toBe(0);
        expect(await brokenWordsOf(page)).toEqual([]);
      };
      await fine();
      await page.fill('#key-text', vkeyOf(makeKeys()));
      await verify(flipped, /NOT sound/);
      await fine();
      await page.fill('#key-text', vkeyOf(keys));
      await verify(sound, /./);
      await fine();
    },
  );
});
