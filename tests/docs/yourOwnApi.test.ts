import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import request from 'supertest';
import { auditOf } from '@/tests/helpers/database/authRows';
import { ask } from '@/tests/helpers/database/askDatabase';
import { listen } from '@/tests/helpers/http/listen';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import { makeApiKey } from '@/tests/helpers/people/programs';
import { HOME, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';
import { closeLater } from '@/tests/helpers/server/closing';
import { openNode } from '@/tests/helpers/server/openNode';
import { operate } from '@/tests/helpers/server/operatorCommand';
import { REPOSITORY, externalEnv } from '@/tests/helpers/server/serverProcess';
import { codeAt } from '@/tests/helpers/stepUp/secondFactor';
import { pollUntil } from '@/tests/helpers/time/pollUntil';

const EXAMPLES = join(REPOSITORY, 'examples', 'your-own-api');
const PAGE = readFileSync(join(REPOSITORY, 'docs', 'your-own-api.md'), 'utf8');
const PERMISSIONS = ['app:projects.view', 'app:projects.delete'];
const PURPOSE = 'app:delete_project';

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-your-own-api-'));
closeLater(() => Promise.resolve(rmSync(folder, { recursive: true })));

interface Program {
  name: string;
  file: string;
  /** Whether it has the guard; otherwise it asks at each request. */
  hasGuard: boolean;
  /** Returns the command that starts it, after any build, or undefined if something is not installed. */
  command: () => string[] | undefined;
}

const succeeds = (command: string, args: string[]) => spawnSync(command, args).status === 0;
const fileOf = (name: string) => join(EXAMPLES, name);

function nestCommand(): string[] | undefined {
  try {
    createRequire(fileOf('nest.ts')).resolve('@nestjs/core');
  } catch {
    return undefined;
  }
  return [process.execPath, '--import', 'tsx', fileOf('nest.ts')];
}

function goCommand(): string[] | undefined {
  const go = process.env['GO'] ?? 'go';
  if (!succeeds(go, ['version'])) return undefined;
  const built = join(folder, 'api');
  execFileSync(go, ['build', '-o', built, fileOf('main.go')]);
  return [built];
}

function pythonCommand(): string[] | undefined {
  const pythons = [process.env['PYTHON'], '/usr/bin/python3', 'python3'];
  const python = pythons.find(
    (each) => each !== undefined && succeeds(each, ['-c', 'import fastapi, httpx, uvicorn']),
  );
  return python === undefined ? undefined : [python, fileOf('main.py')];
}

const PROGRAMS: Program[] = [
  ...['express', 'fastify'].map((name) => ({
    ...{ name, file: `${name}.mjs`, hasGuard: true },
    command: () => [process.execPath, fileOf(`${name}.mjs`)],
  })),
  { name: 'NestJS', file: 'nest.ts', hasGuard: true, command: nestCommand },
  { name: 'Go', file: 'main.go', hasGuard: false, command: goCommand },
  { name: 'FastAPI', file: 'main.py', hasGuard: false, command: pythonCommand },
];
const installed = PROGRAMS.flatMap(({ command, ...program }) => {
  const words = command();
  if (words !== undefined) return [{ ...program, words }];
  process.stderr.write(`${program.name} is not installed, so its example does not run.\n`);
  return [];
});

const { app, clock } = openNode();
const databaseUrl = process.env['DATABASE_URL'] ?? '';
let gatehouse: string;
let serviceKey: string;

/** Runs the commands of the page that prepare Gatehouse, and returns what each printed. */
async function prepare(): Promise<string[]> {
  const block = /```sh\n(npm run --silent admin -- permissions declare[^]*?)```/.exec(PAGE)?.[1];
  const printed: string[] = [];
  for (const line of (block ?? '').trimEnd().split('\n')) {
    const words = line
      .replace('npm run --silent admin -- ', '')
      .replaceAll('examples/your-own-api', EXAMPLES)
      .match(/'[^']*'|\S+/g);
    const done = await operate(
      externalEnv(),
      (words ?? []).map((word) => word.replaceAll("'", '')),
    );
    expect([line, done.code, done.stderr]).toEqual([line, 0, expect.any(String)]);
    printed.push(done.stdout);
  }
  return printed;
}

beforeAll(async () => {
  gatehouse = await listen(app);
  const printed = await prepare();
  expect(printed).toHaveLength(3);
  serviceKey = (JSON.parse(printed[2] ?? '{}') as { key: string }).key;
});

/** Starts an API, and returns its origin. It is ended after the file. */
async function start(words: readonly string[], url: string): Promise<string> {
  const tsconfig = join(folder, 'tsconfig.json');
  const compilerOptions = { experimentalDecorators: true };
  writeFileSync(tsconfig, JSON.stringify({ compilerOptions, include: [EXAMPLES] }));
  const [command = '', ...args] = words;
  const child = spawn(command, args, {
    cwd: REPOSITORY,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...{ PATH: process.env['PATH'], TSX_TSCONFIG_PATH: tsconfig },
      ...{ GATEHOUSE_URL: url, GATEHOUSE_SERVICE_KEY: serviceKey, PORT: '0' },
    },
  });
  const exited = once(child, 'exit');
  closeLater(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const [, origin] = /^listening on (http:\/\/127\.0\.0\.1:\d+)$/.exec(line) ?? [];
    if (origin !== undefined) return origin;
  }
  throw new Error(`${words.join(' ')} ended before it listened`);
}

const permit = (staffId: string, permissions: string[]) =>
  ask(databaseUrl, 'UPDATE tenant_staff SET permissions = $1 WHERE id = $2', [
    permissions,
    staffId,
  ]);

async function seedSignedIn(permissions = PERMISSIONS) {
  const member = await seedTraveller(app);
  await permit(member.staffId, permissions);
  const { body } = await attemptLogin(app, member, HOME);
  const token = String(body.accessToken);
  /** Gives the proof that a 428 asks for, as a frontend does. */
  const prove = async (asked: { challengeId?: string; purpose?: string }) => {
    clock.advance(30);
    const { challengeId, purpose } = asked;
    await request(app)
      .post('/api/security/step-up/verify')
      .set('authorization', `Bearer ${token}`)
      .send({ code: codeAt(member.secret, clock.now()), purpose, challengeId })
      .expect(200);
  };
  return { ...member, token, prove };
}

it('docs/your-own-api.md shows every example as it is', () => {
  const shown = [...PAGE.matchAll(/^```(?:js|ts|go|python|json)\n([^]*?)^```$/gm)].map(
    ([, code]) => code,
  );
  const files = ['projectPermissions.json', 'projectEvents.json'].concat(
    PROGRAMS.map(({ file }) => file),
  );
  expect(shown).toEqual(files.map((name) => readFileSync(fileOf(name), 'utf8')));
});

it('the guard can be required too, as programs do that NestJS compiles', () => {
  const code = "typeof require('gatehouse/guard').createGuard";
  const printed = execFileSync(process.execPath, ['-p', code], {
    ...{ cwd: REPOSITORY, encoding: 'utf8' as const, stdio: ['ignore', 'pipe', 'ignore'] },
  });
  expect(printed).toBe('function\n');
});

describe.each(installed)('the example $file', ({ words, hasGuard }) => {
  let origin: string;
  beforeAll(async () => {
    origin = await start(words, gatehouse);
  });
  const call = (method: 'get' | 'delete', path: string, token?: string) => {
    const sent = request(origin)[method](path);
    return token === undefined ? sent : sent.set('authorization', `Bearer ${token}`);
  };

  it('answers 401, 403 and 200 by the token and its permissions', async () => {
    const [may, mayNot] = [await seedSignedIn(), await seedSignedIn([])];
    for (const token of [undefined, 'x']) {
      const refused = await call('get', '/projects', token);
      expect([refused.status, refused.headers['www-authenticate']]).toEqual([
        401,
        expect.stringMatching(/^Bearer/),
      ]);
    }
    const refused = await call('get', '/projects', mayNot.token);
    expect([refused.status, refused.body.error]).toEqual([403, 'FORBIDDEN']);
    expect((await call('delete', '/projects/7', mayNot.token)).status).toBe(403);
    const allowed = await call('get', '/projects', may.token);
    expect([allowed.status, allowed.body]).toEqual([200, { tenant: may.tenantSlug, projects: [] }]);
  });

  it('deletes once with a proof for this deletion, and the deletion is in the audit log', async () => {
    const who = await seedSignedIn();
    const remove = (id: number) => call('delete', `/projects/${id}`, who.token);
    const asked = await remove(7);
    expect([asked.status, asked.body.error, asked.body.purpose]).toEqual([
      ...[428, 'STEP_UP_REQUIRED', PURPOSE],
    ]);
    expect(asked.headers['www-authenticate']).toContain('insufficient_user_authentication');
    await who.prove(asked.body as object);
    // The proof is for another project.
    expect((await remove(8)).status).toBe(428);
    expect(await auditOf('app.project.deleted', who.tenantId)).toEqual([]);
    expect((await remove(7)).status).toBe(204);
    expect((await remove(7)).status).toBe(428);
    expect(await auditOf('app.project.deleted', who.tenantId)).toMatchObject([
      { actor: who.staffId, ip: '127.0.0.1', details: { fields: { project: '7' } } },
    ]);
    expect(await auditOf('STEP_UP_CONSUMED', who.tenantId)).toHaveLength(1);
  });

  it('refuses the token after the logout', async () => {
    const who = await seedSignedIn();
    expect((await call('get', '/projects', who.token)).status).toBe(200);
    await request(app)
      .post('/api/auth/logout')
      .set('authorization', `Bearer ${who.token}`)
      .expect(204);
    let calls = 0;
    await pollUntil(
      'the API refuses the token',
      () => {
        calls += 1;
        return call('get', '/projects', who.token);
      },
      ({ status }) => status === 401,
    );
    // A guard refuses within its bound, which tests/guard tests. The others refuse at once.
    if (!hasGuard) expect(calls).toBe(1);
  });

  it('serves a program by the permissions of its API key, and lets it give no proof', async () => {
    const holder = await seedAdministrator();
    await ask(
      databaseUrl,
      'UPDATE tenant_staff SET permissions = permissions || $1 WHERE id = $2',
      [PERMISSIONS, holder.staffId],
    );
    const { key } = await makeApiKey(app, holder, { permissions: PERMISSIONS });
    expect((await call('get', '/projects', key)).status).toBe(200);
    const refused = await call('delete', '/projects/7', key);
    expect([refused.status, refused.body.error]).toEqual([403, 'PERSON_REQUIRED']);
    expect(await auditOf('app.project.deleted', holder.tenantId)).toEqual([]);
  });

  it('answers 503 and not 401 if Gatehouse cannot be reached', async () => {
    const alone = await start(words, 'http://127.0.0.1:9');
    const { token } = await seedSignedIn();
    const res = await request(alone).get('/projects').set('authorization', `Bearer ${token}`);
    expect(res.status).toBe(503);
  });
});
