import { launchBrowser } from '@/tests/helpers/browser/realBrowser';
import { listen } from '@/tests/helpers/http/listen';
import { buildApp } from '@/tests/helpers/server/testApp';

describe('the page that describes the API', () => {
  it('shows every operation, runs no script, loads nothing else and violates no policy', async () => {
    const url = await listen(() => buildApp().app);
    const context = await (await launchBrowser()).newContext();
    const urls: string[] = [];
    const said: string[] = [];
    context.on('request', (request) => urls.push(request.url()));
    context.on('console', (message) => said.push(message.text()));
    context.on('weberror', (error) => said.push(String(error.error())));
    const page = await context.newPage();
    const answer = await page.goto(`${url}/docs`);
    expect(answer?.headers()['content-security-policy']).toMatch(/^default-src 'none'; style-src/);
    const document = (await (await fetch(`${url}/openapi.json`)).json()) as {
      paths: Record<string, object>;
    };
    const operations = Object.values(document.paths).flatMap((path) => Object.keys(path));
    expect(await page.locator('section > details[id]:not([id^=schema-])').count()).toBe(
      operations.length,
    );
    await page.locator('#login > summary').click();
    expect(await page.locator('#login').textContent()).toContain('STEP_UP_REQUIRED');
    expect(await page.locator('script').count()).toBe(0);
    expect(urls.filter((each) => !each.startsWith(`${url}/`))).toEqual([]);
    expect(said.filter((text) => !text.includes('favicon'))).toEqual([]);
  });

  it('does not exist if it is switched off', async () => {
    const url = await listen(() => buildApp({ apiDocs: false }).app);
    expect((await fetch(`${url}/docs`)).status).toBe(404);
    expect((await fetch(`${url}/openapi.json`)).status).toBe(200);
  });
});
