import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { faultsOf, overflowOf } from '@/tests/helpers/browser/readableBy';
import { launchBrowser, shown } from '@/tests/helpers/browser/realBrowser';
import { closeLater } from '@/tests/helpers/server/closing';
import { operateAsProcess } from '@/tests/helpers/server/commandProcess';
import { listProcesses } from '@/tests/helpers/server/processTable';
import { REPOSITORY } from '@/tests/helpers/server/serverProcess';
import { codeAt, wrongCodes } from '@/tests/helpers/stepUp/secondFactor';
import { pollUntil } from '@/tests/helpers/time/pollUntil';

interface Person {
  tenant: string;
  email: string;
  password: string;
  totpSecret: string;
}
interface Started {
  page: string;
  gatehouse: string;
  folder: string;
  people: [Person, Person];
}

/** Starts the example as `npm run example` does, on free ports. */
async function startExample() {
  const child = spawn(process.execPath, [join('examples', 'express-api', 'start.mjs')], {
    cwd: REPOSITORY,
    env: { PATH: process.env['PATH'], PORT: '0', EXAMPLE_PORT: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (said.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said.err += chunk.toString()));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  const stop = () => {
    child.kill('SIGTERM');
    return ended;
  };
  closeLater(stop);
  const read = () => {
    if (child.exitCode !== null) throw new Error(`the example ended: ${said.err}`);
    return Promise.resolve(/^\{[^]*?^\}$/m.exec(said.out)?.[0] ?? '');
  };
  const text = await pollUntil('the example prints where it is', read, (found) => found !== '');
  return { started: JSON.parse(text) as Started, said, stop };
}

describe('the example of a product with its own API, in a real browser', () => {
  let browser: Browser;
  let example: Awaited<ReturnType<typeof startExample>>;
  let ann: Person;
  let bob: Person;

  beforeAll(async () => {
    [browser, example] = await Promise.all([launchBrowser(), startExample()]);
    [ann, bob] = example.started.people;
  });

  /** Opens the page for a person, who signs in. Everything that the browser complains of is kept. */
  async function openFor(person: Person, viewport = { width: 1280, height: 720 }) {
    const context = await browser.newContext({ viewport });
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('console', (message) => {
      // The browser reports every answer of 400 and more by itself.
      const isAnswer = /the server responded with a status of/.test(message.text());
      if (message.type() === 'error' && !isAnswer) complaints.push(message.text());
    });
    const bearers: string[] = [];
    page.on('request', (request) => {
      const { authorization } = request.headers();
      if (authorization !== undefined) bearers.push(authorization);
    });
    await page.goto(example.started.page);
    await shown(page, '#sign-in', /./);
    const signIn = async () => {
      await page.fill('input[name=email]', person.email);
      await page.fill('input[name=password]', person.password);
      await page.click('#sign-in button');
      await shown(page, '#who', new RegExp(person.email));
    };
    return { page, signIn, complaints, bearer: () => bearers.at(-1) ?? '' };
  }

  async function create(page: Page, name: string): Promise<void> {
    await page.fill('#create input', name);
    await page.click('#create button');
    await shown(page, '#notice', new RegExp(`Created ${name}`));
  }

  async function operate(words: string[], stdin?: string) {
    const env = { GATEHOUSE_DATA_DIR: example.started.folder, LOG_LEVEL: 'silent' };
    const { code, stdout, stderr } = await operateAsProcess(env, words, stdin);
    if (code !== 0) throw new Error(stderr);
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  let auditors = 0;
  /** Returns events of the tenant North as a new auditor reads them. */
  async function readLog(action: string): Promise<Record<string, unknown>[]> {
    auditors += 1;
    const auditor = { email: `eve${auditors}@north.example`, password: 'four words make it long' };
    const words = ['staff', 'create', '--tenant', 'north', '--email', auditor.email];
    await operate([...words, '--password-stdin', '--role', 'auditor'], auditor.password);
    const { gatehouse } = example.started;
    const login = await fetch(`${gatehouse}/api/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(auditor),
    });
    const { accessToken } = (await login.json()) as { accessToken: string };
    const res = await fetch(`${gatehouse}/api/compliance/audit-logs?action=${action}`, {
      headers: { authorization: `Bearer ${accessToken}` },
    });
    return ((await res.json()) as { events: Record<string, unknown>[] }).events;
  }

  it('shows the projects of a tenant to its own people alone, also after a reload', async () => {
    const [north, south] = [await openFor(ann), await openFor(bob)];
    await Promise.all([north.signIn(), south.signIn()]);
    await create(north.page, 'Apollo');
    await create(south.page, 'Soyuz');
    await north.page.reload();
    await shown(north.page, '#list', /Apollo/);
    expect(await north.page.locator('#list').textContent()).not.toContain('Soyuz');
    expect(await south.page.locator('#list').textContent()).not.toContain('Apollo');
    // Nor does it exist for bob if he knows its id.
    const projects = `${example.started.page}/api/projects`;
    const listed = await fetch(projects, { headers: { authorization: north.bearer() } });
    const { id } = ((await listed.json()) as { projects: [{ id: string }] }).projects[0];
    const headers = { authorization: south.bearer() };
    expect((await fetch(`${projects}/${id}`, { method: 'DELETE', headers })).status).toBe(404);
    expect([...north.complaints, ...south.complaints]).toEqual([]);
  });

  it('asks for a code before it deletes, again after a wrong one, and records who did it', async () => {
    const { page, signIn, complaints } = await openFor(ann);
    await signIn();
    await create(page, 'Gemini');
    await page.getByRole('button', { name: 'Delete Gemini' }).click();
    await shown(page, '#why', /app:delete_project/);
    await page.fill('#code', wrongCodes(ann.totpSecret, new Date(), 1)[0] ?? '');
    await page.keyboard.press('Enter');
    await shown(page, '#why', /INVALID_CODE\), 4 tries left/);
    await shown(page, '#list', /Gemini/);
    await page.fill('#code', codeAt(ann.totpSecret, new Date()));
    await page.keyboard.press('Enter');
    await shown(page, '#notice', /Deleted Gemini/);
    expect(await page.locator('#list').textContent()).not.toContain('Gemini');
    expect(complaints).toEqual([]);

    const show = ['staff', 'show', '--tenant', 'north', '--email', ann.email];
    const { staffId } = await operate(show);
    expect(await readLog('app.project.deleted')).toMatchObject([
      { actor: staffId, details: { fields: { name: 'Gemini' } } },
    ]);
  });

  it('records one deletion if the same project is deleted twice at once', async () => {
    const { page, gatehouse } = example.started;
    const kim = { email: 'kim@north.example', password: 'four words make it long' };
    const permissions = 'app:projects.create,app:projects.delete';
    const words = ['staff', 'create', '--tenant', 'north', '--email', kim.email];
    const more = ['--password-stdin', '--totp', '--permissions', permissions];
    const secret = String((await operate([...words, ...more], kim.password))['totpSecret']);
    const call = async (method: string, url: string, token: string, body?: object) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      const res = await fetch(url, { method, headers, body: JSON.stringify(body) });
      const text = await res.text();
      return { status: res.status, body: JSON.parse(text || '{}') as Record<string, string> };
    };
    const signIn = async () =>
      (await call('POST', `${gatehouse}/api/auth/login`, '', kim)).body['accessToken'] ?? '';
    const tokens = [await signIn(), await signIn()];
    const projects = `${page}/api/projects`;
    const { id } = (await call('POST', projects, tokens[0] ?? '', { name: 'Voyager' })).body;
    const remove = (token: string) => call('DELETE', `${projects}/${id}`, token);
    for (const [at, token] of tokens.entries()) {
      const { purpose, challengeId } = (await remove(token)).body;
      const proof = { code: codeAt(secret, new Date(), at - 1), purpose, challengeId };
      const verify = `${gatehouse}/api/security/step-up/verify`;
      expect((await call('POST', verify, token, proof)).status).toBe(200);
    }
    const answers = await Promise.all(tokens.map(remove));
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 404]);
    const events = await readLog('app.project.deleted');
    expect(events.filter(({ subject }) => subject === `project:${id}`)).toHaveLength(1);
  });

  it('shows a person whom the operator signs out, at the next click, that they are', async () => {
    const { page, signIn, bearer } = await openFor(ann);
    await signIn();
    await create(page, 'Mercury');
    await operate(['staff', 'force-logout', '--tenant', 'north', '--email', ann.email]);
    // The guard rests on nothing older than a second. So a refused request tells that it knows.
    const ask = async () => {
      const headers = { authorization: bearer() };
      return (await fetch(`${example.started.page}/api/projects`, { headers })).status;
    };
    await pollUntil('the API refuses the token', ask, (status) => status === 401);
    await page.fill('#create input', 'Too late');
    await page.click('#create button');
    await shown(page, '#notice', /You were signed out/);
    await shown(page, '#sign-in', /./);
    expect(await page.locator('#projects').isVisible()).toBe(false);
  });

  it('changes nothing if the change cannot be recorded, and says so', async () => {
    const { page, signIn } = await openFor(bob);
    await signIn();
    await operate(['events', 'withdraw', '--name', 'app.project.created']);
    await page.fill('#create input', 'Mir');
    await page.click('#create button');
    await shown(page, '#notice', /Not created: Nothing was changed/);
    const file = join(REPOSITORY, 'examples', 'express-api', 'events.json');
    await operate(['events', 'declare', '--file', file]);
    await create(page, 'Salyut');
    expect(await page.locator('#list').textContent()).not.toContain('Mir');
  });

  it('has no fault that axe finds, and the width of a phone', async () => {
    const { page, signIn } = await openFor(bob, { width: 320, height: 640 });
    const fine = async () => {
      expect(await faultsOf(page)).toEqual([]);
      expect(await overflowOf(page)).toBe(0);
    };
    await fine();
    await signIn();
    await create(page, 'Vostok');
    await fine();
    await page.getByRole('button', { name: 'Delete Vostok' }).click();
    await shown(page, '#why', /app:delete_project/);
    await fine();
    await page.keyboard.press('Escape');
    await shown(page, '#notice', /STEP_UP_DISMISSED/);
    await shown(page, '#list', /Vostok/);
  });

  it('ends both servers at SIGTERM, and deletes its folder', async () => {
    const { page, gatehouse, folder } = example.started;
    expect(existsSync(folder)).toBe(true);
    expect(await example.stop()).toBe(0);
    expect(existsSync(folder)).toBe(false);
    await expect(fetch(page)).rejects.toThrow('fetch failed');
    await expect(fetch(gatehouse)).rejects.toThrow('fetch failed');
    expect(listProcesses().filter(({ command }) => command.includes(folder))).toEqual([]);
    // The one change that could not be recorded.
    expect(example.said.err).toMatch(/^(Not recorded: [^\n]*\n)?$/);
  });
});
