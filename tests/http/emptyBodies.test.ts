import { once } from 'node:events';
import request from 'supertest';
import { routeTable } from '@/server/createApp';
import { createApp } from '@/server/createApp';
import { createHttpServer } from '@/server/http/httpServer';
import { closeLater } from '@/tests/helpers/server/closing';
import { expectRefusal } from '@/tests/helpers/http/expectRefusal';
import { openRaw } from '@/tests/helpers/http/rawConnection';
import { portOf, sendRaw } from '@/tests/helpers/http/rawRequest';
import type { RawAnswer } from '@/tests/helpers/http/rawRequest';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const { deps } = buildApp({ loginFailures: { perAccount: 50, perIp: 1e5, global: 1e7 } });
const { server } = createHttpServer(deps, createApp(deps));
server.listen(0);
closeLater(() => new Promise((resolve) => server.close(resolve)));

const CHUNKED = 'transfer-encoding: chunked';
const NO_CHUNKS = '0\r\n\r\n';

let lines: (method: string, path: string) => string[];

beforeAll(async () => {
  const permissions = ['SETTINGS_SECURITY_VIEW', 'SETTINGS_SECURITY_EDIT'];
  const { token } = await seedTestUserAndToken({ permissions });
  lines = (method, path) => [
    `${method.toUpperCase()} ${path.replace(/:\w+/, 'x')} HTTP/1.1`,
    // Signing out would end the session of the whole sweep.
    ...(path.includes('/logout') ? [] : [`authorization: Bearer ${token}`]),
    'x-stepup-test-bypass: 1',
  ];
});

/** Returns the parts of an answer that must not depend on how an absent body was sent. */
const gist = ({ status, body }: RawAnswer) => [
  status,
  /"error":"(\w+)"/.exec(body)?.[1],
  /"issues":\[.*?\]/.exec(body)?.[0],
];

describe('an empty chunked body is no body', () => {
  const sweep = routeTable(deps)
    .filter(({ path }) => !path.startsWith('/demo') && !path.startsWith('/verify'))
    .map(({ method, path }) => [method, path] as const);

  it.each(sweep)('%s %s answers as to a request without one', async (method, path) => {
    const without = gist(await sendRaw(server, lines(method, path)));
    for (const type of [[], ['content-type: text/plain']]) {
      const head = [...lines(method, path), CHUNKED, ...type];
      const answer = await sendRaw(server, head, NO_CHUNKS);
      expect(answer.status).not.toBe(415);
      // These two succeed. The second time there is nothing left to do, or they create one more
      // thing.
      if (answer.status >= 300) expect(gist(answer)).toEqual(without);
    }
  });

  it('and the refusal names each field that is missing', async () => {
    const named = async (path: string) => {
      const { status, body } = await sendRaw(server, lines('post', path));
      const { issues } = JSON.parse(body) as { issues: { path: string; message: string }[] };
      return [status, ...issues.map((issue) => `${issue.path} ${issue.message}`)];
    };
    const login = ['email must be given', 'password must be given'];
    expect(await named('/api/auth/login')).toEqual([400, ...login]);
    // An empty object would do here, so no field is missing.
    expect(await named('/api/auth/refresh')).toEqual([400, ' the body must be given']);
    const unnamed: string[] = [];
    for (const { method, path, endpoint } of routeTable(deps)) {
      const { body } = await sendRaw(server, lines(method, path));
      const isObject = endpoint.body?.safeParse({}).success === false;
      if (isObject && body.includes('"path":""')) unnamed.push(path);
    }
    expect(unnamed).toEqual([]);
  });

  it('also if its end comes later than its head', async () => {
    const connection = await openRaw(portOf(server));
    const asked = once(server, 'request');
    const head = `POST /api/auth/logout HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${CHUNKED}`;
    connection.send(`${head}\r\n\r\n`);
    await asked;
    connection.send(NO_CHUNKS);
    expect(await connection.closed()).toMatch(/^HTTP\/1\.1 401 /);
  });
});

it('a chunked body of another type is refused with 415, and the connection serves on', async () => {
  const chunk = 'b'.repeat(50_000);
  const body = `${chunk.length.toString(16)}\r\n${chunk}\r\n`.repeat(2) + NO_CHUNKS;
  for (const type of ['content-type: text/plain', 'x-type: none']) {
    const connection = await openRaw(portOf(server));
    connection.send(
      `POST /api/auth/logout HTTP/1.1\r\nhost: x\r\n${type}\r\n${CHUNKED}\r\n\r\n${body}`,
    );
    await connection.hears(/"UNSUPPORTED_MEDIA_TYPE"/);
    connection.send('GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
    expect(await connection.closed()).toMatch(/^HTTP\/1\.1 415 [^]*HTTP\/1\.1 200 /);
  }
});

it.each(routeTable(deps).map(({ method, path }) => [method, path] as const))(
  'a body of another type at %s %s brings nothing down, without a token either',
  async (method, path) => {
    for (const body of [`1\r\nx\r\n${NO_CHUNKS}`, '1\r\nx']) {
      const [line = ''] = lines(method, path);
      const answer = await sendRaw(server, [line, CHUNKED, 'content-type: text/plain'], body);
      expect(answer.status).toBeLessThan(500);
      expect(answer.headers.get('x-correlation-id')).toHaveLength(1);
    }
  },
);

describe('the charset of a JSON body', () => {
  const login = (type: string) =>
    request(server)
      .post('/api/auth/login')
      .set('content-type', type)
      .send('{"email":"ann@münchen.example","password":"a wrong password"}');

  it.each(['utf-8', 'UTF-8', 'UTF8', 'utf8', '"utf-8"', '"UTF8"', 'utf8; charset=utf-8'])(
    'may be called %s',
    async (charset) => {
      expect((await login(`application/json; charset=${charset}`)).status).toBe(401);
      expect((await login(`Application/JSON;charset=${charset}`)).status).toBe(401);
    },
  );

  it.each(['latin1', 'utf-16', 'utf-16le', 'utf-7', 'us-ascii', '""', 'utf-8; charset=latin1'])(
    'is not %s: 415 names the one that is',
    async (charset) => {
      const res = await login(`application/json; charset=${charset}`);
      expectRefusal(res, [415]);
      expect(res.body).toMatchObject({
        error: 'UNSUPPORTED_MEDIA_TYPE',
        detail: 'Send the body in the charset utf-8.',
      });
    },
  );
});
