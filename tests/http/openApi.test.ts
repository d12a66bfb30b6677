import type { z } from 'zod';
import request from 'supertest';
import { routeTable } from '@/server/createApp';
import { ERRORS } from '@/server/errors';
import { describeAnswers } from '@/server/http/describeAnswers';
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

describe('/openapi.json', () => {
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
    expect(Object.keys(ERRORS).filter((code) => !text.includes(`"${code}"`))).toEqual([]);
  });
});
