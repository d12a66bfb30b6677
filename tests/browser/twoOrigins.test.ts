import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { closeLater } from '@/tests/helpers/server/closing';
import { listen } from '@/tests/helpers/http/listen';
import { launchBrowser } from '@/tests/helpers/browser/realBrowser';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { REPOSITORY } from '@/tests/helpers/server/serverProcess';
import { buildApp } from '@/tests/helpers/server/testApp';
import { auditOf } from '@/tests/helpers/database/authRows';

const PAGE = `<!doctype html><title>Frontend</title><script type="module">
import { createGatehouseClient } from '/gatehouse.js';
globalThis.createGatehouseClient = createGatehouseClient;
</script>`;

/**
 * Serves a frontend of the team's own: an empty page, and the client that it uses.
 * @returns its origin
 */
async function openFrontend(): Promise<string> {
  const client = readFileSync(join(REPOSITORY, 'dist', 'client', 'gatehouse.js'));
  const server = createServer((req, res) => {
    const script = req.url === '/gatehouse.js';
    res.setHeader('content-type', script ? 'text/javascript' : 'text/html');
    res.end(script ? client : PAGE);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closeLater(
    () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  );
  return `http://localhost:${(server.address() as AddressInfo).port}`;
}

interface Asked {
  status: number;
  body: Record<string, string>;
  correlationId: string | null;
  challenge: string | null;
}

/** Returns what a page's own `fetch` can read; undefined if the browser blocks it. */
const ask = (page: Page, url: string, init: object): Promise<Asked | undefined> =>
  page.evaluate(
    async ([address, options]) => {
      try {
        const res = await fetch(address, { credentials: 'include', ...options });
        return {
          status: res.status,
          body: (await res.json()) as Record<string, string>,
          correlationId: res.headers.get('x-correlation-id'),
          challenge: res.headers.get('www-authenticate'),
        };
      } catch {
        return undefined;
      }
    },
    [url, init] as const,
  );

const post = (body: object, headers = {}) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(body),
});

describe('a page of another origin in a real browser', () => {
  let browser: Browser;
  let api: string;
  let listed: string;
  let unlisted: string;

  beforeAll(async () => {
    browser = await launchBrowser();
    [listed, unlisted] = [await openFrontend(), await openFrontend()];
    api = (await listen(buildApp({ corsOrigins: [listed] }).app)).replace('127.0.0.1', 'localhost');
  });

  async function openPage(origin: string) {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(origin);
    return { context, page };
  }

  it('that is listed signs in, refreshes, and reads answers with the headers it needs', async () => {
    const { email, password } = await seedTestUserAndToken();
    const { page, context } = await openPage(listed);
    const signedIn = await ask(page, `${api}/api/auth/login`, post({ email, password }));
    expect(signedIn?.status).toBe(200);
    expect(signedIn?.correlationId).toMatch(/^[0-9a-f-]{36}$/);
    const { refreshToken } = signedIn?.body ?? {};
    const headers = { 'idempotency-key': 'a-key-of-this-page-0123456789' };
    const refreshed = await ask(page, `${api}/api/auth/refresh`, post({ refreshToken }, headers));
    expect(refreshed?.status).toBe(200);
    const bearer = { authorization: `Bearer ${refreshed?.body['accessToken'] ?? ''}` };
    const me = await ask(page, `${api}/api/auth/me`, { headers: bearer });
    expect(me?.status).toBe(200);
    const nobody = await ask(page, `${api}/api/auth/me`, {});
    expect([nobody?.status, nobody?.challenge]).toEqual([401, 'Bearer']);

    const deviceOf = async () =>
      (await context.cookies(`${api}/api`)).find(({ name }) => name === 'gh_device')?.value;
    const device = await deviceOf();
    expect(device).toBeDefined();
    await ask(page, `${api}/api/auth/login`, post({ email, password }));
    // The request was sent and it counted; otherwise there would be a new device.
    expect(await deviceOf()).toBe(device);
  });

  it('that is listed uses the client with its baseUrl, which asks for a sign of life', async () => {
    const { email, password } = await seedTestUserAndToken();
    const { page } = await openPage(listed);
    const outcome = await page.evaluate(
      async ([baseUrl, credentials]) => {
        const { createGatehouseClient } = globalThis as unknown as {
          createGatehouseClient: (options: object) => {
            signIn(credentials: object): Promise<unknown>;
            fetch: typeof fetch;
          };
        };
        const client = createGatehouseClient({ baseUrl, onStepUp: () => null });
        await client.signIn(credentials);
        const probe = await fetch(`${baseUrl}/health/live`, { mode: 'no-cors' });
        return [(await client.fetch('/api/auth/me')).status, probe.type];
      },
      [api, { email, password }] as const,
    );
    expect(outcome).toEqual([200, 'opaque']);
  });

  it('that is not listed reads nothing, and its login is never made', async () => {
    const { email, password, token, tenantId } = await seedTestUserAndToken();
    const logins = async () => (await auditOf('AUTH_LOGIN_SUCCEEDED', tenantId)).length;
    const before = await logins();
    const { page } = await openPage(unlisted);
    expect(await ask(page, `${api}/health/live`, {})).toBeUndefined();
    expect(await ask(page, `${api}/nowhere`, {})).toBeUndefined();
    expect(await ask(page, `${api}/api/auth/login`, post({ email, password }))).toBeUndefined();
    const bearer = { authorization: `Bearer ${token}` };
    expect(await ask(page, `${api}/api/auth/me`, { headers: bearer })).toBeUndefined();
    expect(await logins()).toBe(before);
    // The same request to the page's own origin is readable, so the browser works.
    const { page: own } = await openPage(listed);
    expect((await ask(own, `${api}/health/live`, {}))?.status).toBe(200);
  });
});
