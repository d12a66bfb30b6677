import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compareDeclaredFiles } from '@/server/bootstrap/compareDeclaredFiles';
import { db } from '@/server/db';
import { declaredEventTypes } from '@/server/db/schema';
import { auditOf, withoutTable } from '@/tests/helpers/database/authRows';
import { makeServiceKey, withKey } from '@/tests/helpers/people/programs';
import { DELETED } from '@/tests/helpers/people/reporter';
import { memoryLog } from '@/tests/helpers/server/memoryLog';
import { operate } from '@/tests/helpers/server/operatorCommand';
import { externalEnv, startServer } from '@/tests/helpers/server/serverProcess';
import { buildApp } from '@/tests/helpers/server/testApp';

const env = externalEnv();
const { app, deps } = buildApp();
const NAME = 'app.project.deleted';
let folder: string;
let program: ReturnType<typeof withKey>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-events-'));
  program = withKey(app, await makeServiceKey(deps, ['events:declare']));
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => db.delete(declaredEventTypes));

const declare = (types: object) => program.put('/api/audit/event-types', types);
const typeOf = (properties: object, required: string[] = []) => ({
  [NAME]: { sentence: 'A project was deleted', details: { type: 'object', properties, required } },
});

function fileOf(content: object | string): string {
  const path = join(folder, 'types.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const run = (content: object | string, ...more: string[]) =>
  operate(env, ['events', 'declare', '--file', fileOf(content), ...more]);

describe('declaring types of events', () => {
  it('adds, changes and withdraws until the types are those of the list, and records each', async () => {
    const earlier = (await auditOf('EVENT_TYPE_DECLARED')).length;
    const first = await declare({ [NAME]: DELETED, 'app.b': DELETED });
    expect(first.body).toEqual({ added: ['app.b', NAME], changed: [], withdrawn: [] });
    const reworded = { ...DELETED, sentence: 'Somebody deleted a project' };
    const second = await declare({ [NAME]: reworded });
    expect(second.body).toEqual({ added: [], changed: [NAME], withdrawn: ['app.b'] });
    expect((await declare({ [NAME]: reworded })).body).toEqual({
      ...{ added: [], changed: [], withdrawn: [] },
    });
    const events = (await auditOf('EVENT_TYPE_DECLARED')).slice(earlier);
    expect(events).toMatchObject([
      { subject: 'event-type:app.b', details: { before: null, via: 'service' } },
      { subject: `event-type:${NAME}`, details: { before: null, after: DELETED } },
      { subject: `event-type:${NAME}`, details: { before: DELETED, after: reworded } },
    ]);
    expect((await auditOf('EVENT_TYPE_WITHDRAWN')).at(-1)).toMatchObject({
      ...{ subject: 'event-type:app.b', details: { before: DELETED } },
    });
    const { eventTypes } = (await program.get('/api/audit/event-types')).body as {
      eventTypes: object[];
    };
    expect(eventTypes).toMatchObject([
      { name: 'app.b', withdrawnAt: expect.any(String) as string },
      { name: NAME, ...reworded, withdrawnAt: null },
    ]);
  });

  it('needs a key with its own scope: who reports events cannot decide what they may hold', async () => {
    const writer = withKey(app, await makeServiceKey(deps, ['events:write']));
    const res = await writer.put('/api/audit/event-types', { [NAME]: DELETED });
    expect([res.status, res.body.error]).toEqual([403, 'FORBIDDEN']);
    expect(await db.select().from(declaredEventTypes)).toEqual([]);
  });

  it.each([
    'password',
    'userPassword',
    'api_key',
    'accessToken',
    'clientSecret',
    'Authorization',
    'session_cookie',
    'otp',
    'pin',
    'private_key',
  ])('refuses a field that looks like a secret: %s', async (name) => {
    const field = { type: 'string', maxLength: 10 };
    const inner = { type: 'object', properties: { [name]: field } };
    for (const properties of [{ [name]: field }, { inner }]) {
      const res = await declare(typeOf(properties));
      expect([res.status, res.body.error]).toEqual([400, 'INVALID_INPUT']);
    }
    expect(await db.select().from(declaredEventTypes)).toEqual([]);
  });

  it.each([
    ['a text without a limit', { a: { type: 'string' } }],
    ['a text of more than 1000 characters', { a: { type: 'string', maxLength: 1001 } }],
    ['an integer without bounds', { a: { type: 'integer' } }],
    ['any number', { a: { type: 'number' } }],
    ['an array without a limit', { a: { type: 'array', items: { type: 'boolean' } } }],
    [
      'an array of more than 50',
      { a: { type: 'array', items: { type: 'boolean' }, maxItems: 51 } },
    ],
    [
      'an object in an object in an object',
      {
        a: {
          type: 'object',
          properties: { b: { type: 'object', properties: { c: { type: 'boolean' } } } },
        },
      },
    ],
    [
      'fields that nobody declared',
      { a: { type: 'object', properties: {}, additionalProperties: true } },
    ],
    ['a pattern', { a: { type: 'string', maxLength: 9, pattern: '(a+)+$' } }],
    ['a reference', { a: { $ref: '#/x' } }],
    ['a name of JavaScript', { constructor: { type: 'boolean' } }],
    ['an odd name', { 'a b': { type: 'boolean' } }],
  ])('refuses %s', async (_what, properties) => {
    expect((await declare(typeOf(properties))).status).toBe(400);
  });

  it('refuses a name without app., and a required field that is not there', async () => {
    expect((await declare({ AUTH_LOGIN_SUCCEEDED: DELETED })).status).toBe(400);
    expect((await declare({ 'app.': DELETED })).status).toBe(400);
    expect((await declare(typeOf({}, ['a']))).status).toBe(400);
  });

  it('lets a schema only grow, also after its type was withdrawn', async () => {
    const text = (maxLength: number) => ({ a: { type: 'string', maxLength } });
    expect((await declare(typeOf(text(10), ['a']))).status).toBe(200);
    expect((await declare({})).status).toBe(200);
    const narrower = [
      typeOf(text(9), ['a']),
      typeOf({}),
      typeOf({ ...text(10), b: { type: 'boolean' } }, ['a', 'b']),
      typeOf({ a: { type: 'string', enum: ['x'] } }, ['a']),
      typeOf({ a: { type: 'integer', minimum: 0, maximum: 9 } }, ['a']),
    ];
    for (const types of narrower) {
      const res = await declare(types);
      expect([res.status, res.body.error]).toEqual([409, 'EVENT_TYPE_INCOMPATIBLE']);
    }
    expect((await declare(typeOf({ ...text(11), b: { type: 'boolean' } }))).status).toBe(200);
  });
});

describe('admin events', () => {
  it('declares a file, lists and withdraws, and a dry run changes nothing', async () => {
    const dry = await run({ [NAME]: DELETED }, '--dry-run');
    expect(JSON.parse(dry.stdout)).toMatchObject({ added: [NAME], dryRun: true });
    expect(await db.select().from(declaredEventTypes)).toEqual([]);
    const done = await run({ [NAME]: DELETED }, '--ticket', 'OPS-9');
    expect({ code: done.code, stderr: done.stderr }).toEqual({ code: 0, stderr: '' });
    expect((await auditOf('EVENT_TYPE_DECLARED')).at(-1)).toMatchObject({
      details: { via: 'operator', ticket: 'OPS-9' },
    });
    const withdraw = ['events', 'withdraw', '--name', NAME];
    expect((await operate(env, withdraw)).code).toBe(0);
    const { stdout } = await operate(env, ['events', 'list']);
    expect(JSON.parse(stdout)).toMatchObject({
      eventTypes: [{ name: NAME, withdrawnAt: expect.any(String) as string }],
    });
    const again = await operate(env, withdraw);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain(`There is no declared type of event '${NAME}'`);
  });

  it('names each fault of a file', async () => {
    const wrong = await run(typeOf({ password: { type: 'string', maxLength: 9 } }));
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain('password');
    expect(wrong.stderr).toContain('looks like the name of a secret');
    expect((await run('{')).stderr).toContain('it is not JSON');
  });
});

describe('the setting EVENT_TYPES_FILE', () => {
  /** Returns what a node logs at its start with such a file. */
  async function warningsFor(content: object | string) {
    const { logger, lines } = memoryLog();
    const config = { ...deps.config, eventTypesFile: fileOf(content) };
    await compareDeclaredFiles({ config, db, logger });
    return lines;
  }

  it('is the file that is declared if none is given, and must exist', async () => {
    const set = { ...env, EVENT_TYPES_FILE: fileOf({ [NAME]: DELETED }) };
    const { stdout } = await operate(set, ['events', 'declare']);
    expect(JSON.parse(stdout)).toMatchObject({ added: [NAME] });
    const none = await operate(env, ['events', 'declare']);
    expect({ ...none, stdout: '' }).toMatchObject({
      code: 1,
      stderr: 'Give --file F, or set EVENT_TYPES_FILE.\n',
    });
    const missing = await operate({ ...env, EVENT_TYPES_FILE: '/no/such/file' }, [
      'events',
      'list',
    ]);
    expect(missing.stderr).toBe('EVENT_TYPES_FILE names a file that does not exist.\n');
  });

  it('warns at the start if the file and the declared types differ, and names the command', async () => {
    const kept = { 'app.kept': DELETED };
    await declare({ ...kept, [NAME]: DELETED });
    expect(await warningsFor({ ...kept, [NAME]: DELETED })).toEqual([]);
    const reworded = { 'app.kept': { ...DELETED, sentence: 'Something was kept' } };
    expect(await warningsFor({ ...reworded, 'app.young': DELETED })).toMatchObject([
      {
        code: 'EVENT_TYPES_FILE',
        msg: `EVENT_TYPES_FILE differs from the declared types of events (added: app.young; changed: app.kept; withdrawn: ${NAME}). To declare those of the file, run \`npm run admin -- events declare\`.`,
      },
    ]);
    const narrower = { ...kept, ...typeOf({ project: { type: 'string', maxLength: 1 } }) };
    const [refused] = await warningsFor(narrower);
    expect(refused?.msg).toMatch(
      /^EVENT_TYPES_FILE cannot be declared\. The new schema of app\.pro/,
    );
    expect((await warningsFor('{'))[0]?.msg).toMatch(/cannot be used: it is not JSON\.$/);
  });

  it('is compared by a server that starts, as PERMISSIONS_FILE is, and stops no start', async () => {
    const set = { EVENT_TYPES_FILE: fileOf('{'), PERMISSIONS_FILE: fileOf('{') };
    const server = startServer({ ...env, ...set });
    await server.url();
    for (const code of Object.keys(set)) expect(server.stdout()).toContain(`"code":"${code}"`);
    server.signal('SIGTERM');
    expect(await server.exited).toBe(0);
  });

  it('does not keep a server from starting while the table of the types is missing', async () => {
    await withoutTable('declared_event_types', async () => {
      expect(await warningsFor({ [NAME]: DELETED })).toMatchObject([
        {
          code: 'EVENT_TYPES_FILE',
          msg: expect.stringContaining('could not be compared') as string,
        },
      ]);
    });
  });
});
