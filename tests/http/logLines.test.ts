import { eq } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { auditLogs } from '@/server/db/schema';
import { createLogger, requestScope } from '@/server/logger';
import { withoutTable } from '@/tests/helpers/database/authRows';
import { codeAt, wrongCodes } from '@/tests/helpers/stepUp/secondFactor';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';
import { ABROAD, HOME, seedTraveller } from '@/tests/helpers/people/traveller';

/** Creates the server's own logger, with every level, writing into memory. */
function createMemoryLogger() {
  const written: string[] = [];
  const stream = { write: (line: string) => void written.push(line) };
  const logger = createLogger({ logLevel: 'trace' }, stream);
  const lines = () => written.map((line) => JSON.parse(line) as Record<string, unknown>);
  return { logger, written, lines };
}

const { logger, written, lines } = createMemoryLogger();
const clock = createMovableClock();
const { app } = buildApp({ nodeEnv: 'production', production: true }, { logger, clock });

let sent = 0;
const ids: string[] = [];
const secrets = new Set<string>();

function call(
  method: 'get' | 'post',
  path: string,
  body?: object,
  headers: Record<string, string> = HOME,
) {
  sent += 1;
  const id = `log-test-${sent}`;
  ids.push(id);
  return request(app)[method](path).set(headers).set('x-correlation-id', id).send(body);
}

/** Collects every secret of an answer: tokens, challenges, cookies, TOTP secrets. */
function keep(res: request.Response): request.Response {
  const body = (res.body ?? {}) as Record<string, unknown>;
  for (const name of ['accessToken', 'refreshToken', 'challengeId', 'secret', 'otpauthUri']) {
    if (typeof body[name] === 'string') secrets.add(body[name]);
  }
  for (const cookie of res.get('Set-Cookie') ?? []) {
    const value = decodeURIComponent(cookie.split(';')[0]?.split('=')[1] ?? '');
    if (value) secrets.add(value);
  }
  return res;
}

/** Makes all requests that involve secrets, successful and failed ones. */
async function liveThroughADay() {
  const traveller = await seedTraveller(app, { permissions: ['SETTINGS_SECURITY_VIEW'] });
  ids.push(...lines().map(({ correlationId }) => String(correlationId)));
  const { email, password, secret } = traveller;
  const wrong = 'a wrong password of mine';
  for (const text of [password, wrong, secret, traveller.refreshToken]) secrets.add(text);
  const steps: [number, request.Response][] = [];
  const step = async (expected: number, asked: request.Test) =>
    void steps.push([expected, keep(await asked)]);

  await step(401, call('post', '/api/auth/login', { email, password: wrong }));
  await step(400, call('post', '/api/auth/login', { email, password: [password] }));
  await step(428, call('post', '/api/auth/login', { email, password }, ABROAD));
  const challengeId = String(steps.at(-1)?.[1].body.challengeId);
  const proof = { purpose: 'security_settings', challengeId };
  const [bad = ''] = wrongCodes(secret, clock.now(), 1);
  const good = codeAt(secret, clock.now());
  const verify = '/api/security/step-up/verify';
  const cookie = { ...ABROAD, cookie: `gh_challenge=${challengeId}` };
  await step(403, call('post', verify, { ...proof, code: bad }, cookie));
  await step(200, call('post', verify, { ...proof, code: good }, cookie));
  await step(200, call('post', '/api/auth/login/complete', { challengeId }, cookie));
  const { accessToken, refreshToken } = steps.at(-1)?.[1].body as Record<string, string>;
  const bearer = { ...ABROAD, authorization: `Bearer ${accessToken}` };
  await step(200, call('post', '/api/auth/refresh', { refreshToken }, bearer));
  await step(401, call('post', '/api/auth/refresh', { refreshToken }, bearer));
  await step(401, call('get', `/api/auth/me?access_token=${accessToken}`, undefined, bearer));
  await step(404, call('get', `/nowhere/${refreshToken}?code=${good}`, undefined, bearer));
  await step(400, call('post', verify, { code: `${good}x`, purpose: 'data_export' }, bearer));
  await step(200, call('post', '/api/auth/login', { email, password }));
  // This loads the history into memory. So the next login is scored, but what it learns cannot be
  // stored.
  await step(
    200,
    call('post', '/api/auth/refresh', { refreshToken: steps.at(-1)?.[1].body.refreshToken }),
  );
  await withoutTable('known_devices', async () => {
    await step(200, call('post', '/api/auth/login', { email, password }));
  });
  for (const table of ['refresh_tokens', 'audit_logs']) {
    await withoutTable(table, async () => {
      await step(503, call('post', '/api/auth/login', { email, password }));
      await step(503, call('post', '/api/auth/refresh', { refreshToken }));
    });
  }
  expect(steps.map(([, { status }]) => status)).toEqual(steps.map(([expected]) => expected));
  return { good, bad };
}

describe('the log of a whole day', () => {
  let codes: { good: string; bad: string };

  beforeAll(async () => {
    codes = await liveThroughADay();
  });

  it('has lines to look at, errors of the database among them', () => {
    expect(lines().filter(({ msg }) => msg === 'request').length).toBeGreaterThan(12);
    expect(lines().filter(({ msg }) => msg === 'SCHEMA_UNAVAILABLE')).toHaveLength(4);
    const kept = 'what the risk scorer learned from a login could not be stored';
    expect(lines().filter(({ msg }) => msg === kept)).toHaveLength(1);
  });

  it('holds no password, token, code, challenge, cookie or secret', () => {
    const log = written.join('');
    expect(secrets.size).toBeGreaterThan(8);
    for (const secret of secrets) expect(log).not.toContain(secret);
    // Six digits could also be part of an id, so only a separate number counts as a code.
    for (const code of Object.values(codes)) expect(log).not.toMatch(new RegExp(`\\b${code}\\b`));
  });

  it('holds no hash of a token either: errors come without the parameters of their queries', () => {
    expect(written.join('')).not.toMatch(/\b[0-9a-f]{64}\b/);
    expect(written.join('')).not.toMatch(/params:/);
  });

  it('carries the correlation id of its request on every line', () => {
    // The findings of the schema guard belong to no request, even if one triggered the check.
    const mine = lines().filter(({ code }) => !String(code).startsWith('SCHEMA_MISSING'));
    for (const line of mine) expect(ids).toContain(line['correlationId']);
    for (const id of ids.filter((name) => name.startsWith('log-test'))) {
      const own = lines().filter(
        (line) => line['correlationId'] === id && line['msg'] === 'request',
      );
      expect(own).toHaveLength(1);
    }
  });

  it('names routes by their pattern: no id, no query', () => {
    const routes = lines()
      .filter(({ msg }) => msg === 'request')
      .map(({ route }) => String(route));
    expect(routes).toContain('unmatched');
    for (const route of routes) expect(route).toMatch(/^(unmatched|\/[a-z/:-]*)$/);
  });

  it('shares its correlation ids with the events that the requests caused', async () => {
    for (const [index, action] of [
      [1, 'AUTH_LOGIN_FAILED'],
      [3, 'STEP_UP_REQUIRED'],
      [4, 'STEP_UP_FAILED'],
      [5, 'STEP_UP_VERIFIED'],
      [6, 'AUTH_LOGIN_SUCCEEDED'],
      [7, 'AUTH_TOKEN_REFRESH'],
      [8, 'REFRESH_REUSE_DETECTED'],
    ] as const) {
      const rows = await db
        .select()
        .from(auditLogs)
        .where(eq(auditLogs.correlationId, `log-test-${index}`));
      expect(rows.map((row) => row.action)).toContain(action);
    }
  });

  it('shares them also where the client sent none', async () => {
    const res = await request(app)
      .post('/api/auth/login')
      .set('x-correlation-id', 'not well formed')
      .send({ email: 'nobody@example.com', password: 'whatever it was' });
    const id = String(res.headers['x-correlation-id']);
    const rows = await db.select().from(auditLogs).where(eq(auditLogs.correlationId, id));
    expect(rows.map(({ action }) => action)).toEqual(['AUTH_LOGIN_FAILED']);
    expect(lines().filter((line) => line['correlationId'] === id).length).toBeGreaterThan(0);
  });
});

it('no audit event holds a secret of that day', async () => {
  const events = JSON.stringify(await db.select().from(auditLogs));
  for (const secret of secrets) expect(events).not.toContain(secret);
});

describe('two lines of one request', () => {
  it('share its correlation id and nothing else', () => {
    const memory = createMemoryLogger();
    requestScope.run({ correlationId: 'shared' }, () => {
      memory.logger.info({ first: 1 }, 'one');
      memory.logger.info({ second: 2 }, 'two');
    });
    expect(memory.lines()).toMatchObject([
      { correlationId: 'shared' },
      { correlationId: 'shared' },
    ]);
    expect(memory.lines()[1]).not.toHaveProperty('first');
  });
});
