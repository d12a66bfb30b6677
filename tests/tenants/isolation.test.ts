import { sql } from 'drizzle-orm';
import request from 'supertest';
import { routeTable } from '@/server/createApp';
import { db } from '@/server/db';
import { DEFAULT_POLICY } from '@/server/security/risk/riskPolicy';
import { AUDIT_LOG_SWEEP, cursorAt } from '@/tests/helpers/evidence/auditLogSweep';
import type { Aim } from '@/tests/helpers/evidence/auditLogSweep';
import { giveOneOfEach } from '@/tests/helpers/database/oneOfEach';
import { codeAt, giveFactor } from '@/tests/helpers/stepUp/secondFactor';
import { readZip } from '@/tests/helpers/evidence/readZip';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';
import { ABROAD, HOME, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';
import type { Traveller } from '@/tests/helpers/people/traveller';
import { inventIds } from '../helpers/people/inventIds';
import type { Ids } from '../helpers/people/inventIds';

const { app, deps } = buildApp();

const today = new Date().toISOString().slice(0, 10);
const range = { from: today, to: today, format: 'json' };
/** Fits both schemas, but proves nothing. */
const PASSKEY = {
  ...{ id: 'A'.repeat(43), rawId: 'A'.repeat(43), type: 'public-key' },
  response: {
    ...{ clientDataJSON: 'e30', authenticatorData: 'AAAA', signature: 'AAAA' },
    attestationObject: 'oA',
  },
};
const decoys = (ids: Ids) => ({ tenantId: ids.tenantId, staffId: ids.staffId, userId: ids.userId });

/**
 * The mail's id as the database stores it, and a tag of the caller's own that was made for another
 * purpose.
 */
const noticeLinks = (ids: Ids): Aim[] =>
  [ids.mailId, `ntc_${ids.loginChallengeId.slice(4)}`, `ntc_${untagged(ids.mailId)}`].map(
    (token) => ({ path: `/api/security/notices/${token}`, expected: 404 }),
  );
const untagged = (id: string) =>
  Buffer.concat([Buffer.from(id.replaceAll('-', ''), 'hex'), Buffer.alloc(16)]).toString(
    'base64url',
  );

/**
 * Every route, and how another tenant's ids can be sent to it. A route that is missing here fails
 * the sweep.
 */
const SWEEP: Record<string, (ids: Ids, me: Traveller) => Aim[]> = {
  'post /api/auth/login': (ids, { email, password }) => [
    { body: { email, password, tenant: ids.tenantId }, expected: 401 },
    { body: { email, password, tenant: ids.tenantSlug }, expected: 401 },
    { body: { email, password, challengeId: ids.loginChallengeId }, expected: 200 },
    { body: { email, password, ...decoys(ids) }, expected: 200 },
  ],
  'post /api/auth/login/begin': (ids, { email }) => [{ body: { email, ...ids }, expected: 200 }],
  'post /api/auth/login/complete': (ids) => [
    { body: { challengeId: ids.challengeRowId }, expected: 404 },
    { body: { challengeId: ids.sessionChallengeId }, expected: 404 },
  ],
  'post /api/auth/refresh': (ids, { refreshToken }) => [
    { body: { refreshToken: ids.refreshTokenId }, expected: 401 },
    { body: { refreshToken, ...decoys(ids) }, expected: 200 },
  ],
  'get /api/auth/me': () => [{ expected: 200 }],
  'get /api/auth/sessions': ({ tenantId, staffId, sessionId }) => [
    { query: { cursor: sessionId }, expected: 400 },
    { query: { tenantId, staffId, sessionId }, expected: 200 },
  ],
  'delete /api/auth/sessions/:id': (ids) =>
    [ids.sessionId, ids.sessionId.toUpperCase(), ids.staffId, ids.refreshTokenId].map((id) => ({
      path: `/api/auth/sessions/${id}`,
      expected: 404,
    })),
  'post /api/auth/logout': (ids) => [{ body: { sessionId: ids.sessionId }, expected: 204 }],
  'post /api/auth/logout-all': (ids) => [{ body: decoys(ids), expected: 204 }],
  'get /.well-known/jwks.json': () => [{ expected: 200 }],
  'post /api/security/step-up/start': (ids) => {
    const [exporting, settings] = ['data_export', 'security_settings'].map((purpose) => ({
      method: 'passkey',
      purpose,
    }));
    return [
      { body: { ...exporting, challengeId: ids.sessionChallengeId }, expected: 404 },
      { body: { ...exporting, challengeId: ids.challengeRowId }, expected: 404 },
      { body: { ...settings, challengeId: ids.loginChallengeId }, expected: 404 },
      { body: { ...exporting, ...decoys(ids) }, expected: 409 },
    ];
  },
  'post /api/security/step-up/verify': (ids, { secret }) => {
    const code = codeAt(secret, new Date());
    const purpose = 'data_export';
    return [
      { body: { code, purpose, challengeId: ids.sessionChallengeId }, expected: 404 },
      { body: { code, purpose, challengeId: ids.challengeRowId }, expected: 404 },
      {
        body: { code, purpose: 'security_settings', challengeId: ids.loginChallengeId },
        expected: 404,
      },
      { body: { passkey: PASSKEY, purpose, challengeId: ids.sessionChallengeId }, expected: 404 },
      // The decoys refer to nothing, because this session was not asked for a proof.
      { body: { passkey: PASSKEY, purpose, ...decoys(ids) }, expected: 409 },
      { body: { code, purpose, ...decoys(ids) }, expected: 409 },
    ];
  },
  'post /api/security/passkeys/register/start': (ids) => [{ body: decoys(ids), expected: 200 }],
  'post /api/security/passkeys/register/finish': (ids) => [
    { body: { name: 'Key', response: PASSKEY, ...decoys(ids) }, expected: 404 },
  ],
  'post /api/security/totp/enroll': (ids) => [{ body: decoys(ids), expected: 200 }],
  'post /api/security/totp/confirm': (ids) => [
    { body: { code: '123456', ...decoys(ids) }, expected: 404 },
  ],
  'get /api/security/factors': () => [{ expected: 200 }],
  'delete /api/security/factors/:id': (ids) =>
    [ids.factorId, ids.staffId].map((id) => ({
      path: `/api/security/factors/${id}`,
      expected: 404,
    })),
  'post /api/security/recovery-codes': (ids) => [{ body: decoys(ids), expected: 200 }],
  'get /api/security/notices/:token': noticeLinks,
  'post /api/security/notices/:token': noticeLinks,
  'get /api/security/policy': () => [{ expected: 200 }],
  'put /api/security/policy': (ids) => [
    { body: { version: 0, policy: DEFAULT_POLICY }, expected: 200 },
    { body: { version: 0, policy: DEFAULT_POLICY, ...decoys(ids) }, expected: 400 },
  ],
  'post /api/security/policy/simulate': (ids) => [
    { body: { policy: DEFAULT_POLICY }, expected: 200 },
    { body: { policy: DEFAULT_POLICY, ...decoys(ids) }, expected: 400 },
  ],
  'get /api/security/locked-accounts': () => [{ expected: 200 }],
  'get /api/security/risk-decisions': (ids) => [
    { expected: 400 },
    { query: {}, expected: 200 },
    { query: { staffId: ids.staffId }, expected: 200 },
    { query: { sessionId: ids.sessionId }, expected: 200 },
    { query: { cursor: cursorAt(ids.decisionId) }, expected: 200 },
  ],
  'get /api/security/risk-decisions/:id': (ids) => [
    { path: `/api/security/risk-decisions/${ids.decisionId}`, expected: 404 },
  ],
  'put /api/security/risk-decisions/:id/verdict': (ids) => [
    {
      path: `/api/security/risk-decisions/${ids.decisionId}/verdict`,
      body: { verdict: 'legitimate' },
      expected: 404,
    },
  ],
  'post /api/compliance/export/bundle': (ids) => [
    { body: { ...range, ...decoys(ids) }, expected: 200 },
  ],
  'post /api/compliance/export/security-events': (ids) => [
    { body: { ...range, ...decoys(ids) }, expected: 200 },
  ],
  ...AUDIT_LOG_SWEEP,
  'get /health/live': () => [{ expected: 200 }],
  'get /health/ready': () => [{ expected: 200 }],
  'get /metrics': () => [{ expected: 200 }],
  'get /verify': () => [{ expected: 200 }],
  'get /verify.mjs': () => [{ expected: 200 }],
  'get /openapi.json': () => [{ expected: 200 }],
};

const permissions = ['SETTINGS_SECURITY_VIEW', 'SETTINGS_SECURITY_EDIT'];

/** Creates a person with a live session and a factor, who has not signed in through the API. */
async function seedMember(): Promise<Traveller> {
  const member = await seedTestUserAndToken({ permissions });
  return { ...member, secret: await giveFactor(member) };
}

async function seedTarget(): Promise<Ids> {
  const member = await seedTraveller(app, { permissions });
  const guarded = await request(app)
    .post('/api/compliance/export/bundle')
    .set('authorization', `Bearer ${member.token}`);
  const stopped = await attemptLogin(app, member, ABROAD);
  const { rows } = await db.execute<{ id: string }>(
    sql`SELECT id FROM step_up_challenges WHERE staff_id = ${member.staffId} AND origin = 'login'`,
  );
  const { tenantId, tenantSlug, userId, staffId, sessionId, refreshTokenId } = member;
  await db.execute(sql`INSERT INTO risk_policies (tenant_id, policy) VALUES (${tenantId}, '{}')`);
  const mailId = await giveOneOfEach({ tenantId, userId, staffId });
  const factors = await db.execute<{ id: string }>(
    sql`SELECT id FROM user_totp WHERE staff_id = ${staffId}`,
  );
  const decisions = await db.execute<{ id: string }>(
    sql`SELECT id FROM risk_decisions WHERE staff_id = ${staffId} AND outcome = 'challenged'`,
  );
  const events = await db.execute<{ id: string }>(
    sql`SELECT id FROM audit_logs WHERE tenant_id = ${tenantId} LIMIT 1`,
  );
  return {
    ...{ tenantId, tenantSlug, userId, staffId, sessionId, refreshTokenId },
    eventId: events.rows[0]?.id ?? '',
    challengeRowId: rows[0]?.id ?? '',
    decisionId: decisions.rows[0]?.id ?? '',
    factorId: factors.rows[0]?.id ?? '',
    mailId,
    sessionChallengeId: String(guarded.body.challengeId),
    loginChallengeId: String(stopped.body.challengeId),
  };
}

/**
 * Prepares a single statement that reads every row of a tenant and of its member in every table. It
 * runs after each route.
 */
async function prepareSnapshot(): Promise<(target: Ids) => Promise<Record<string, unknown>>> {
  const { rows: tables } = await db.execute<{ name: string }>(
    sql`SELECT table_name AS name FROM information_schema.columns
        WHERE table_schema = 'public' AND column_name = 'tenant_id' ORDER BY 1`,
  );
  const read = (name: string, column: string, id: string) => sql`SELECT ${name}::text AS name,
    coalesce(array_agg(t::text ORDER BY t::text), '{}') AS rows
    FROM ${sql.identifier(name)} t WHERE ${sql.identifier(column)} = ${id}`;
  return async ({ tenantId, userId }) => {
    const parts = [
      ...tables.map(({ name }) => read(name, 'tenant_id', tenantId)),
      read('users', 'id', userId),
      read('tenants', 'id', tenantId),
    ];
    const found = await db.execute<{ name: string; rows: string[] }>(
      sql.join(parts, sql` UNION ALL `),
    );
    return Object.fromEntries(found.rows.map(({ name, rows }) => [name, rows]));
  };
}

/**
 * Returns the bytes of the answer, and those of the files in a ZIP, so that compression hides
 * nothing.
 */
async function readAnswer(res: request.Response): Promise<string> {
  const bytes = res.body as Buffer;
  const files =
    res.type === 'application/zip' ? [...(await readZip(bytes)).values()].map(String) : [];
  return [bytes.toString('utf8'), JSON.stringify(res.headers), ...files].join('\n');
}

function readError(res: request.Response): unknown {
  if (!res.type.endsWith('json') || res.type === 'application/x-ndjson') return undefined;
  const { error } = JSON.parse((res.body as Buffer).toString('utf8')) as { error?: unknown };
  return error;
}

interface Shot {
  status: number;
  error: unknown;
  answer: string;
}

async function fire(route: string, ids: Ids, index: number): Promise<Shot & { expected: number }> {
  const me = await seedMember();
  const aim = SWEEP[route]?.(ids, me)[index];
  if (!aim) throw new Error('no such aim');
  const [method, path] = route.split(' ') as ['get' | 'post' | 'put' | 'delete', string];
  const { tenantId, sessionId, staffId } = ids;
  const stray = { tenantId, tenant_id: tenantId, sessionId, staffId };
  const res = await request(app)
    [method](aim.path ?? path)
    .query(aim.query ?? { ...stray, cursor: sessionId, limit: '1000' })
    .set({ ...HOME, authorization: `Bearer ${me.token}` })
    .set({ 'x-tenant-id': ids.tenantId, 'x-stepup-test-bypass': '1' })
    .send(aim.body)
    .responseType('blob');
  const answer = await readAnswer(res);
  return { status: res.status, error: readError(res), answer, expected: aim.expected };
}

const routes = routeTable(deps).map(({ method, path }) => `${method} ${path}`);

it('sweeps every route that there is, and none that is not', () => {
  expect(Object.keys(SWEEP).sort()).toEqual([...routes].sort());
});

describe("another tenant's ids", () => {
  let target: Ids;
  let theirs: Record<string, unknown>;
  let snapshot: Awaited<ReturnType<typeof prepareSnapshot>>;

  beforeAll(async () => {
    target = await seedTarget();
    // Seals the events so far now, so that their tree does not grow in the middle of the sweep.
    await deps.sealer.sealNow();
    snapshot = await prepareSnapshot();
    theirs = await snapshot(target);
    expect(Object.values(theirs).every((rows) => (rows as unknown[]).length > 0)).toBe(true);
  });

  it.each(Object.keys(SWEEP))(
    'aimed at %s find nothing, tell nothing and change nothing',
    async (route) => {
      const aims = SWEEP[route]?.(target, { secret: 'A'.repeat(32) } as Traveller).length ?? 0;
      expect(aims).toBeGreaterThan(0);
      for (let index = 0; index < aims; index += 1) {
        const theirsHit = await fire(route, target, index);
        const nobodysHit = await fire(route, inventIds(), index);
        expect(theirsHit.status).toBe(theirsHit.expected);
        expect(nobodysHit).toMatchObject({ status: theirsHit.status, error: theirsHit.error });
        for (const id of Object.values(target)) expect(theirsHit.answer).not.toContain(id);
      }
      expect(await snapshot(target)).toEqual(theirs);
    },
  );

  it('in a token of ours beside my session open nothing: 401', async () => {
    const me = await seedMember();
    const { accessToken } = deps.accessTokens.issue({
      userId: me.userId,
      tenantId: target.tenantId,
      sid: me.sessionId,
      sessionVersion: 1,
      degraded: false,
    });
    const res = await request(app)
      .get('/api/auth/me')
      .set('authorization', `Bearer ${accessToken}`);
    expect(res.status).toBe(401);
  });
});
