import request from 'supertest';
import { routeTable } from '@/server/createApp';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app, deps } = buildApp();
const table = routeTable(deps);

/** The groups that are described next. */
const LATER = [
  'Profile',
  'Step-up',
  'Risk',
  'Tenant',
  'Approvals',
  'Staff',
  'Invitations',
  'Exports',
  'Audit log',
  'Health',
];

/** Returns whether every answer of a route has a schema. */
const isDescribed = ({ endpoint }: (typeof table)[number]) =>
  endpoint.errors !== undefined &&
  Object.values(endpoint.responses).every((answer) => typeof answer !== 'string');

interface Operation {
  operationId: string;
  tags: string[];
  responses: Record<string, { content?: Record<string, { schema?: object; example?: unknown }> }>;
}
interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object> };
}
let document: Document;

beforeAll(async () => {
  document = (await request(app).get('/openapi.json')).body as Document;
});

describe('/openapi.json', () => {
  it('names each operation once, by its endpoint, and puts it into one group', () => {
    const operations = Object.values(document.paths).flatMap((path) => Object.values(path));
    const names = operations.map(({ operationId }) => operationId);
    expect(operations).toHaveLength(table.length);
    expect(names.filter((name) => !/^[a-z][A-Za-z]+$/.test(name))).toEqual([]);
    expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
    expect(operations.filter(({ tags }) => tags.length !== 1)).toEqual([]);
  });

  it('describes every answer of every route', () => {
    const due = table.filter(({ tag }) => tag === undefined || !LATER.includes(tag));
    const undescribed = due.filter((route) => !isDescribed(route));
    expect(undescribed.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
  });
});
