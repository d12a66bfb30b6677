import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createApp } from '@/server/createApp';
import { createHttpServer } from '@/server/http/httpServer';
import { createLogger } from '@/server/logger';
import { WAITS_FOR_LOCK, ask, withConnection } from '@/tests/helpers/database/askDatabase';
import { closeLater } from '@/tests/helpers/server/closing';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { openRaw } from '@/tests/helpers/http/rawConnection';
import type { RawConnection } from '@/tests/helpers/http/rawConnection';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const written: string[] = [];
const logger = createLogger({ logLevel: 'trace' }, { write: (line) => void written.push(line) });
const { deps } = buildApp({ corsOrigins: ['https://app.example.com'] }, { logger });
const { server } = createHttpServer(deps, createApp(deps));
server.listen(0);
closeLater(() => new Promise((resolve) => server.close(resolve)));

const port = () => (server.address() as AddressInfo).port;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const SECRET = 'Bearer unspeakable-value';
const HOST = `host: x\r\nauthorization: ${SECRET}`;
const PING = `GET /health/live HTTP/1.1\r\n${HOST}\r\n`;

/** Sends bytes and reads until the server disconnects. */
async function exchange(...parts: (string | Buffer)[]): Promise<string> {
  const connection = await openRaw(port());
  for (const part of parts) connection.send(part);
  return connection.closed();
}

/** Returns the answers in the server's data, one after another. */
function readAnswers(said: string) {
  return said.split(/(?=HTTP\/1\.1 \d{3} )/).map((answer) => {
    const [head = '', body = ''] = answer.split('\r\n\r\n');
    const [statusLine = '', ...lines] = head.split('\r\n');
    const headers = Object.fromEntries(
      lines.map((line) => [line.split(': ')[0]?.toLowerCase(), line.split(': ')[1]]),
    );
    return { status: Number(statusLine.split(' ')[1]), headers, body };
  });
}

const isCount = (value: object) =>
  'metricName' in value && String(value.metricName).endsWith('_count');

const counted = async (code: string) => {
  const { values } = await deps.metrics.requestsRefused.get();
  return values.find(({ labels }) => labels.code === code)?.value ?? 0;
};

const linesOf = (correlationId: string) =>
  written
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((line) => line['correlationId'] === correlationId);

/**
 * Expects that the last answer is a refusal of the usual form, and that the connection ends with
 * it.
 */
function expectProblem(said: string, status: number, code: string): Record<string, string> {
  const answer = readAnswers(said).at(-1);
  expect(answer?.status).toBe(status);
  const { headers = {}, body = '' } = answer ?? {};
  expect(headers['content-type']).toBe('application/problem+json; charset=utf-8');
  expect(headers['connection']).toBe('close');
  expect(headers['cache-control']).toBe('no-store');
  expect(headers['vary']).toMatch(/\borigin\b/);
  expect(headers['content-security-policy']).toMatch(/(^|;)default-src '(self|none)'/);
  expect(Number(headers['content-length'])).toBe(Buffer.byteLength(body));
  const problem = JSON.parse(body) as Record<string, string>;
  expect(problem).toMatchObject({ error: code, status, type: `urn:gatehouse:error:${code}` });
  expect(problem['correlationId']).toBe(headers['x-correlation-id']);
  return problem;
}

const TLS_HELLO = Buffer.from('160301020001000 1fc0303unspeakable'.replace(/\s/g, ''), 'latin1');
TLS_HELLO[0] = 0x16;
TLS_HELLO[1] = 0x03;

describe('what the parser of HTTP refuses', () => {
  const huge = 'a'.repeat(20_000);
  it.each([
    ['headers of 20 kB', `${PING}x-big: ${huge}\r\n\r\n`, 431, 'HEADERS_TOO_LARGE'],
    ['a path of 20 kB', `GET /${huge} HTTP/1.1\r\n${HOST}\r\n\r\n`, 431, 'HEADERS_TOO_LARGE'],
    ['an unknown method', `BREAK / HTTP/1.1\r\n${HOST}\r\n\r\n`, 400, 'MALFORMED_REQUEST'],
    ['a header without a colon', `${PING}broken\r\n\r\n`, 400, 'MALFORMED_REQUEST'],
    ['a NUL in a header', `${PING}x: a\0b\r\n\r\n`, 400, 'MALFORMED_REQUEST'],
    ['a length that is none', `${PING}content-length: x\r\n\r\n`, 400, 'MALFORMED_REQUEST'],
    [
      'a length beside chunks',
      `POST /api/auth/logout HTTP/1.1\r\n${HOST}\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n`,
      400,
      'MALFORMED_REQUEST',
    ],
    ['a version that is none', `GET / HTTQ/1.1\r\n${HOST}\r\n\r\n`, 400, 'MALFORMED_REQUEST'],
    [
      'the preface of HTTP/2',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04',
      400,
      'MALFORMED_REQUEST',
    ],
    ['TLS', TLS_HELLO, 400, 'MALFORMED_REQUEST'],
    ['noise', '\x00\xff\xfe\r\n\r\n', 400, 'MALFORMED_REQUEST'],
  ])(
    '%s: a problem document with an id that is in the log, and counted',
    async (_what, bytes, status, code) => {
      const before = await counted(code);
      const problem = expectProblem(await exchange(bytes), status, code);
      expect(problem['correlationId']).toMatch(UUID);
      const lines = linesOf(String(problem['correlationId']));
      expect(lines).toEqual([
        expect.objectContaining({ msg: 'request refused', code, status, ip: '127.0.0.1' }),
      ]);
      expect(await counted(code)).toBe(before + 1);
    },
  );

  it('says what is wrong if a client speaks TLS', async () => {
    const problem = expectProblem(await exchange(TLS_HELLO), 400, 'MALFORMED_REQUEST');
    expect(problem['detail']).toBe('This port speaks plain HTTP, not TLS.');
  });

  it('never stands in the log', () => {
    expect(written.length).toBeGreaterThan(10);
    expect(written.join('')).not.toMatch(/unspeakable|aaaaaaaa/);
  });
});

describe('a body that breaks off', () => {
  const head = `POST /api/auth/login HTTP/1.1\r\n${HOST}\r\ncontent-type: application/json\r\nx-correlation-id: broken-1\r\n`;

  it('is refused under the id of its request', async () => {
    const said = await exchange(`${head}transfer-encoding: chunked\r\n\r\n2\r\n{}\r\nzz\r\n`);
    expect(readAnswers(said)).toHaveLength(1);
    const problem = expectProblem(said, 400, 'MALFORMED_REQUEST');
    expect(problem['correlationId']).toBe('broken-1');
    await pollUntil(
      'the request is logged too',
      () => Promise.resolve(linesOf('broken-1')),
      (lines) => lines.some(({ msg, status }) => msg === 'request' && status === 400),
    );
  });

  it('after its answer is no second answer', async () => {
    const connection = await openRaw(port());
    connection.send(`${PING}transfer-encoding: chunked\r\n\r\n1\r\na\r\n`);
    await connection.hears(/"live"/);
    connection.send('zz\r\n');
    expect(readAnswers(await connection.closed())).toHaveLength(1);
  });

  it('by a client that hangs up brings nothing down', async () => {
    const connection = await openRaw(port());
    const asked = once(server, 'request');
    connection.send(`${head}content-length: 100\r\n\r\n{`);
    await asked;
    connection.socket.resetAndDestroy();
    await connection.closed();
    expect(await exchange(`${PING}connection: close\r\n\r\n`)).toMatch(/^HTTP\/1\.1 200 /);
  });
});

describe('a request behind another one on the same connection', () => {
  /** @param work runs once a login waits on the connection, so its own request comes second */
  async function behindLogin(work: (connection: RawConnection) => Promise<void>) {
    const { email, password } = await seedTestUserAndToken();
    const body = JSON.stringify({ email, password });
    const login = `POST /api/auth/login HTTP/1.1\r\n${HOST}\r\nx-correlation-id: first\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const databaseUrl = process.env['DATABASE_URL'] ?? '';
    const connection = await openRaw(port());
    await withConnection(databaseUrl, async (holder) => {
      await holder.query('BEGIN; LOCK TABLE user_sessions IN EXCLUSIVE MODE');
      connection.send(login);
      await pollUntil(
        'the login waits',
        () => ask(databaseUrl, WAITS_FOR_LOCK),
        (rows) => rows.length > 0,
      );
      await work(connection);
      expect(connection.said()).toBe('');
      await holder.query('COMMIT');
    });
    return connection.closed();
  }

  const pipeline = (second: string) =>
    behindLogin(async (connection) => {
      const known = written.length;
      connection.send(second);
      await pollUntil(
        'the second is refused',
        () => Promise.resolve(written.slice(known)),
        (lines) => lines.some((line) => line.includes('request refused')),
      );
    });

  it('is logged and counted, once, if its client goes before its turn', async () => {
    const count = async () => {
      const { values } = await deps.metrics.requests.get();
      const isMine = ({ route, method }: (typeof values)[number]['labels']) =>
        route === '/health/live' && method === 'HEAD';
      return values.filter(({ labels }) => isMine(labels)).find(isCount)?.value ?? 0;
    };
    const before = await count();
    await behindLogin(async ({ send, socket }) => {
      const asked = once(server, 'request');
      send(`HEAD /health/live HTTP/1.1\r\n${HOST}\r\nx-correlation-id: second\r\n\r\n`);
      await asked;
      socket.resetAndDestroy();
      await pollUntil(
        'both are logged',
        () => Promise.resolve([...linesOf('first'), ...linesOf('second')]),
        (lines) => lines.filter(({ msg }) => msg === 'request').length >= 2,
      );
    });
    for (const id of ['first', 'second']) {
      const lines = linesOf(id).filter(({ msg }) => msg === 'request');
      expect(lines).toEqual([expect.objectContaining({ aborted: true })]);
    }
    expect(await count()).toBe(before + 1);
  });

  it.each([
    ['that is broken', 'BREAK / HTTP/1.1\r\n\r\n', 400, 'MALFORMED_REQUEST'],
    ['that is CONNECT', `CONNECT x:1 HTTP/1.1\r\n${HOST}\r\n\r\n`, 405, 'METHOD_NOT_ALLOWED'],
  ])('%s is refused after the first was answered', async (_what, second, status, code) => {
    const said = await pipeline(second);
    expect(readAnswers(said).map((answer) => answer.status)).toEqual([200, status]);
    expectProblem(said, status, code);
  });

  it('is answered as ever if both are sound', async () => {
    const said = await exchange(`${PING}\r\n${PING}\r\n${PING}connection: close\r\n\r\n`);
    expect(readAnswers(said).map(({ status }) => status)).toEqual([200, 200, 200]);
  });
});

describe('requests that node would answer by itself, or let pass', () => {
  it('CONNECT is 405 with Allow', async () => {
    const said = await exchange(`CONNECT db.example:5432 HTTP/1.1\r\n${HOST}\r\n\r\n`);
    expectProblem(said, 405, 'METHOD_NOT_ALLOWED');
    expect(readAnswers(said)[0]?.headers['allow']).toContain('POST');
  });

  it('an expectation that nobody can meet is 417 with a body', async () => {
    const said = await exchange(`${PING}expect: miracles\r\nconnection: close\r\n\r\n`);
    const problem = expectProblem(said, 417, 'EXPECTATION_FAILED');
    expect(linesOf(String(problem['correlationId']))).toMatchObject([{ msg: 'request' }]);
  });

  it('expect: 100-continue is met', async () => {
    const connection = await openRaw(port());
    const head = `POST /api/auth/logout HTTP/1.1\r\n${HOST}\r\nconnection: close\r\n`;
    connection.send(
      `${head}content-type: application/json\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n`,
    );
    await connection.hears(/^HTTP\/1\.1 100 Continue\r\n\r\n/);
    connection.send('{}');
    expect(await connection.closed()).toMatch(/HTTP\/1\.1 401 /);
  });

  it.each([
    ['no Host', 'GET /health/live HTTP/1.1\r\n\r\n'],
    ['two Hosts behind 3000 headers', `${PING}${'a:b\r\n'.repeat(3000)}host: y\r\n\r\n`],
    ['two Hosts', `${PING}host: y\r\n\r\n`],
    ['a version of 2.0', `GET /health/live HTTP/2.0\r\n${HOST}\r\n\r\n`],
    ['no version at all', 'GET /health/live\r\n\r\n'],
  ])('a request with %s is 400, and the connection ends', async (_what, bytes) => {
    const problem = expectProblem(await exchange(bytes), 400, 'MALFORMED_REQUEST');
    expect(linesOf(String(problem['correlationId']))).toMatchObject([{ msg: 'request' }]);
  });

  it.each([
    ['of HTTP/1.0 without Host, as old probes send it', 'GET /health/live HTTP/1.0\r\n\r\n'],
    [
      'with its Host behind 3000 other headers',
      `GET /health/live HTTP/1.1\r\nconnection: close\r\n${'a:b\r\n'.repeat(3000)}${HOST}\r\n\r\n`,
    ],
    [
      'with an absolute target',
      `GET http://other.example/health/live HTTP/1.1\r\n${HOST}\r\nconnection: close\r\n\r\n`,
    ],
    [
      'that offers an upgrade',
      `${PING}upgrade: websocket, h2c\r\nconnection: upgrade, close\r\n\r\n`,
    ],
  ])('a request %s is served', async (_what, bytes) => {
    const [answer] = readAnswers(await exchange(bytes));
    expect(answer?.status).toBe(200);
    expect(answer?.headers['x-correlation-id']).toMatch(UUID);
  });

  it('OPTIONS * is 404 with a body', async () => {
    const said = await exchange(`OPTIONS * HTTP/1.1\r\n${HOST}\r\nconnection: close\r\n\r\n`);
    expectProblem(said, 404, 'NOT_FOUND');
  });
});
