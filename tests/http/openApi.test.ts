import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { z } from 'zod';
import request from 'supertest';
import { routeTable } from '@/server/createApp';
import { ERRORS } from '@/server/errors';
import { describeAnswers } from '@/server/http/describeAnswers';
import { describeApi } from '@/server/http/openApi';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app, deps } = buildApp();
const table = routeTable(deps);

interface Answer {
  content: Record<string, { schema?: object; example?: unknown }>;
}
interface Operation {
  operationId: string;
  tags: string[];
  requestBody?: Answer;
  responses: Record<string, Answer | { $ref: string }>;
}
interface Document {
  info: { contact: object };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object>; responses: Record<string, Answer> };
}
let document: Document;

beforeAll(async () => {
  document = (await request(app).get('/openapi.json')).body as Document;
});

const inOpenApi = (path: string) => path.replaceAll(/:(\w+)/g, '{$1}');

function resolve(answer: Answer | { $ref: string } | undefined): Answer {
  if (answer === undefined) return { content: {} };
  if (!('$ref' in answer)) return answer;
  const name = answer.$ref.split('/').at(-1) ?? '';
  return document.components.responses[name] ?? { content: {} };
}

/** Returns the linter's problems with a document, one a line. */
function lint(document: object): Promise<string> {
  const child = spawn(process.execPath, [join(__dirname, 'fixtures', 'lintDocument.mjs')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(JSON.stringify(document));
  return text(child.stdout);
}

describe('/openapi.json', () => {
  it('breaks no rule of the linter, and the linter finds what is missing', async () => {
    expect(document.info.contact).toEqual({ name: 'The operator of this server' });
    const empty = { openapi: '3.1.0', info: { title: 'Nothing', version: '1' }, paths: {} };
    const [none, some] = [lint(document), lint(empty)];
    expect(await none).toBe('');
    expect(await some).toContain('info-contact');
  });

  it('gives each list and each text of a body its limit', () => {
    const unlimited: string[] = [];
    const walk = (node: unknown, path: string): void => {
      if (typeof node !== 'object' || node === null) return;
      const {
        type,
        maxItems,
        maxLength,
        enum: values,
        const: only,
        pattern,
        format,
        $ref,
      } = node as Record<string, unknown>;
      if (typeof $ref === 'string') {
        const name = $ref.split('/').at(-1) ?? '';
        return walk(document.components.schemas[name], path);
      }
      if (type === 'array' && maxItems === undefined) unlimited.push(path);
      const isBound = [maxLength, values, only, pattern, format].some(
        (limit) => limit !== undefined,
      );
      if (type === 'string' && !isBound) unlimited.push(path);
      for (const [key, value] of Object.entries(node)) walk(value, `${path}.${key}`);
    };
    for (const [path, operations] of Object.entries(document.paths)) {
      for (const { requestBody } of Object.values(operations)) {
        for (const { schema } of Object.values(requestBody?.content ?? {})) walk(schema, path);
      }
    }
    expect(unlimited).toEqual([]);
  });

  it('names the contact of the settings', async () => {
    const contact = { email: 'api@example.com' };
    const { body } = await request(buildApp({ apiContact: contact }).app).get('/openapi.json');
    expect((body as Document).info.contact).toMatchObject(contact);
  });

  it.each(['/openapi.json', '/docs'])(
    'is sent again as %s only if it has changed',
    async (path) => {
      const first = await request(app).get(path);
      const etag = String(first.headers['etag']);
      expect(first.headers['cache-control']).toBe('no-cache');
      const again = await request(app).get(path).set('if-none-match', etag);
      expect([again.status, again.text]).toEqual([304, '']);
      const other = await request(app).get(path).set('if-none-match', '"other"');
      expect([other.status, other.headers['etag']]).toEqual([200, etag]);
      const changed = await request(buildApp({ version: '0.0.0' }).app).get(path);
      expect(changed.headers['etag']).not.toBe(etag);
    },
  );

  it('gives other requests a turn after each route while it is built', async () => {
    let turns = 0;
    let done = false;
    const takeTurn = () => {
      if (done) return;
      turns += 1;
      setImmediate(takeTurn);
    };
    setImmediate(takeTurn);
    await describeApi(table, { version: '0', url: undefined, tags: {} });
    done = true;
    expect(turns).toBeGreaterThanOrEqual(table.length);
  });

  it('names each operation once, by its endpoint, and puts it into one group', () => {
    const operations = Object.values(document.paths).flatMap((path) => Object.values(path));
    const names = operations.map(({ operationId }) => operationId);
    expect(operations).toHaveLength(table.length);
    expect(names.filter((name) => !/^[a-z][A-Za-z]+$/.test(name))).toEqual([]);
    expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
    expect(operations.filter(({ tags }) => tags.length !== 1)).toEqual([]);
  });

  it('gives every JSON body an example that its schema accepts', () => {
    const faults: unknown[] = [];
    const check = (what: string, schema: z.ZodType, example: unknown) => {
      const { error } = schema.safeParse(example);
      if (example === undefined || error) faults.push([what, example, error?.issues]);
    };
    for (const route of table) {
      const { method, path, endpoint } = route;
      const operation = document.paths[inOpenApi(path)]?.[method];
      const sent = operation?.requestBody?.content['application/json']?.example;
      if (endpoint.body) check(`${method} ${path}`, endpoint.body, sent);
      for (const [status, { content }] of describeAnswers(route)) {
        const answer = resolve(operation?.responses[status]);
        for (const [type, schema] of Object.entries(content)) {
          if (schema) check(`${method} ${path} ${status}`, schema, answer.content[type]?.example);
        }
      }
    }
    expect(faults).toEqual([]);
  });

  it('describes every error code', () => {
    const text = JSON.stringify(document);
    // The bodies of SCIM have no code, so the words of an answer have it.
    const isDescribed = (code: string) =>
      [`"${code}"`, `${code}: `].some((it) => text.includes(it));
    expect(Object.keys(ERRORS).filter((code) => !isDescribed(code))).toEqual([]);
  });
});
