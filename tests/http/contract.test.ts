import request from 'supertest';
import { AUDIT_ACTIONS } from '@/server/audit';
import { routeTable } from '@/server/createApp';
import { ERRORS } from '@/server/errors';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app, deps } = buildApp();
const table = routeTable(deps);

describe('the catalogue of errors', () => {
  it('gives each code its status: this table is the contract', () => {
    const statuses = Object.fromEntries(
      Object.entries(ERRORS).map(([code, { status }]) => [code, status]),
    );
    expect(statuses).toStrictEqual({
      INVALID_CREDENTIALS: 401,
      KEY_UNAVAILABLE: 503,
      TENANT_SELECTION_REQUIRED: 409,
      LAST_ADMINISTRATOR: 409,
      TENANT_DELETED: 409,
      NOT_YOURS_TO_GIVE: 403,
      IMPERSONATION_REFUSED: 403,
      NOT_YOURS_TO_MANAGE: 403,
      NOT_YOURS_TO_APPROVE: 403,
      NO_APPROVER: 409,
      APPROVAL_CLOSED: 409,
      APPROVAL_OUTDATED: 409,
      TOO_FEW_ADMINISTRATORS: 409,
      UNKNOWN_ROLE: 400,
      UNKNOWN_PERMISSION: 400,
      BUILT_IN_ROLE: 409,
      ROLE_IN_USE: 409,
      ROLE_NAME_TAKEN: 409,
      TOO_MANY_ROLES: 409,
      OWN_MEMBERSHIP: 409,
      ALREADY_MEMBER: 409,
      INVITATION_OPEN: 409,
      IP_BLOCKED: 403,
      IP_RULES_LOCK_OUT: 409,
      DOMAIN_EXISTS: 409,
      DOMAIN_NOT_ALLOWED: 400,
      TOO_MANY_DOMAINS: 409,
      SSO_ISSUER_REFUSED: 400,
      SSO_DISCOVERY_FAILED: 422,
      SSO_PROVIDER_REFUSED: 422,
      SSO_CONNECTION_EXISTS: 409,
      TOO_MANY_SSO_CONNECTIONS: 409,
      SCIM_CONFLICT: 409,
      SCIM_INVALID: 400,
      VERSION_MISMATCH: 412,
      SSO_REFUSED: 403,
      SSO_UNAVAILABLE: 409,
      TOO_MANY_SSO_ATTEMPTS: 429,
      IP_RULES_NOT_SUSPENDED: 409,
      IP_RULES_UNAVAILABLE: 503,
      IP_RULE_TRIAL_RUNS: 409,
      NO_IP_RULE_TRIAL: 409,
      TOO_MANY_IP_RULES: 409,
      TOO_MANY_APPROVALS: 409,
      TOO_MANY_INVITATIONS: 409,
      INVITATION_CLOSED: 409,
      INVITATION_EXPIRED: 410,
      INVITATION_FOR_SOMEBODY_ELSE: 403,
      INVITATION_NO_LONGER_VALID: 409,
      POLICY_LOCKS_OUT: 409,
      ENROLMENT_REQUIRED: 409,
      LOGIN_BLOCKED: 403,
      STEP_UP_REQUIRED: 428,
      FORCE_LOGOUT: 401,
      INVALID_REFRESH_TOKEN: 401,
      UNAUTHENTICATED: 401,
      FORBIDDEN: 403,
      OWN_PROOF_REQUIRED: 403,
      PERSON_REQUIRED: 403,
      KEY_ADDRESS_REFUSED: 403,
      KEY_HOLDER_ONLY: 403,
      KEY_NAME_TAKEN: 409,
      TOO_MANY_KEYS: 409,
      TOO_MANY_STREAMS: 409,
      KEY_ENDED: 409,
      TENANT_SLUG_TAKEN: 409,
      ORIGIN_REFUSED: 403,
      NOT_FOUND: 404,
      METHOD_NOT_ALLOWED: 405,
      INVALID_INPUT: 400,
      MALFORMED_JSON: 400,
      PAYLOAD_TOO_LARGE: 413,
      UNSUPPORTED_MEDIA_TYPE: 415,
      MALFORMED_REQUEST: 400,
      REQUEST_TIMEOUT: 408,
      EXPECTATION_FAILED: 417,
      HEADERS_TOO_LARGE: 431,
      TOO_MANY_ATTEMPTS: 429,
      RATE_LIMITED: 429,
      WRONG_PASSWORD: 403,
      NO_PASSWORD: 409,
      PASSWORD_REFUSED: 400,
      INVALID_CODE: 403,
      INVALID_PASSKEY: 403,
      CHALLENGE_NOT_FOUND: 404,
      CHALLENGE_ID_REQUIRED: 409,
      CHALLENGE_EXHAUSTED: 429,
      CHALLENGE_NOT_VERIFIED: 409,
      NO_FACTOR: 409,
      TOO_MANY_FACTORS: 409,
      METHOD_UNAVAILABLE: 409,
      PASSKEY_EXISTS: 409,
      EMAIL_TAKEN: 409,
      CONFLICT: 409,
      EVENT_TYPE_INCOMPATIBLE: 409,
      IDEMPOTENCY_KEY_REQUIRED: 400,
      IDEMPOTENCY_KEY_REUSED: 422,
      AUDIT_LOG_BUSY: 503,
      EVENT_NOT_SEALED: 409,
      CHECKPOINT_NOT_FOUND: 404,
      AUDIT_LOG_BROKEN: 500,
      EXPORT_BUSY: 503,
      SIMULATION_BUSY: 503,
      HASHING_BUSY: 503,
      DATABASE_UNAVAILABLE: 503,
      SCHEMA_UNAVAILABLE: 503,
      INTERNAL_ERROR: 500,
    });
  });

  it('keeps the bodies that frontends rely on plain JSON, and no others', () => {
    const fixed = Object.entries(ERRORS).filter(([, error]) => error.fixed);
    expect(fixed.map(([code]) => code).sort()).toEqual([
      'FORCE_LOGOUT',
      'INVALID_CREDENTIALS',
      'INVALID_REFRESH_TOKEN',
      'LOGIN_BLOCKED',
      'STEP_UP_REQUIRED',
      'TENANT_SELECTION_REQUIRED',
    ]);
  });
});

describe('an error that no contract fixes', () => {
  const problem = (code: keyof typeof ERRORS, more: object = {}) => ({
    type: `urn:gatehouse:error:${code}`,
    title: ERRORS[code].title,
    status: ERRORS[code].status,
    error: code,
    correlationId: 'c-1',
    ...more,
  });

  it.each([
    ['a path that does not exist', 'get', '/api/nothing', undefined, problem('NOT_FOUND')],
    ['a method that does not', 'put', '/api/auth/login', undefined, problem('METHOD_NOT_ALLOWED')],
    [
      'no token',
      'get',
      '/api/auth/me',
      undefined,
      problem('UNAUTHENTICATED', { detail: expect.stringContaining('Refresh') }),
    ],
    ['a broken body', 'post', '/api/auth/login', '{', problem('MALFORMED_JSON')],
    [
      'a field missing',
      'post',
      '/api/auth/refresh',
      '{}',
      problem('INVALID_INPUT', {
        detail: expect.any(String),
        issues: [{ path: 'refreshToken', message: 'must be given' }],
      }),
    ],
  ] as const)('is an RFC 9457 problem: %s', async (_name, method, path, body, expected) => {
    const res = await request(app)
      [method](path)
      .set('x-correlation-id', 'c-1')
      .set('content-type', 'application/json')
      .send(body);
    expect(res.status).toBe(expected.status);
    expect(res.type).toBe('application/problem+json');
    expect(res.body).toStrictEqual(expected);
  });

  it('does not repeat what was sent', async () => {
    const secret = 'do-not-echo-me';
    const body = { email: secret, password: { secret }, rememberMe: secret };
    const res = await request(app).post('/api/auth/login').send(body);
    expect(res.status).toBe(400);
    expect(res.text).not.toContain(secret);
  });

  it('names the methods that a 405 allows, and the scheme that a 401 wants', async () => {
    const wrongMethod = await request(app).delete('/api/auth/login');
    expect(wrongMethod.headers['allow']).toBe('POST');
    const nobody = await request(app).get('/api/auth/me');
    expect(nobody.headers['www-authenticate']).toBe('Bearer');
    const stale = await request(app).get('/api/auth/me').set('authorization', 'Bearer a.b.c');
    expect(stale.headers['www-authenticate']).toBe('Bearer error="invalid_token"');
  });
});

describe('every answer', () => {
  const asked = [...table.map(({ method, path }) => ({ method, path })), nowhere()];
  function nowhere() {
    return { method: 'get' as const, path: '/nowhere' };
  }

  it.each(asked)('carries the security headers: $method $path', async ({ method, path }) => {
    const res = await request(app)[method](path).set('x-forwarded-proto', 'https');
    expect(res.headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'SAMEORIGIN',
      'referrer-policy': 'no-referrer',
      'strict-transport-security': expect.stringMatching(/^max-age=\d{8}/),
      'content-security-policy': expect.stringContaining(
        path === '/verify' || path === '/docs' ? "default-src 'none'" : "default-src 'self'",
      ),
      'x-correlation-id': expect.any(String),
    });
    expect(res.headers).not.toHaveProperty('x-powered-by');
    expect(res.headers).not.toHaveProperty('access-control-allow-origin');
    const description = path === '/openapi.json' || path === '/docs';
    expect('etag' in res.headers).toBe(description);
    const cacheable = path === '/.well-known/jwks.json';
    expect(res.headers['cache-control']).toBe(
      cacheable ? 'public, max-age=300' : description ? 'no-cache' : 'no-store',
    );
  });

  it.each(asked)('asks for no TLS over plain HTTP: $method $path', async ({ method, path }) => {
    const res = await request(app)[method](path);
    expect(res.headers).not.toHaveProperty('strict-transport-security');
    expect(res.headers['content-security-policy']).not.toContain('upgrade-insecure-requests');
  });

  it('of a HEAD is that of its GET without the body', async () => {
    const res = await request(app).head('/health/live');
    expect(res.status).toBe(200);
    expect(res.text).toBeFalsy();
  });
});

describe('/openapi.json', () => {
  interface Operation {
    requestBody?: { content: Record<string, { schema: Record<string, unknown> }> };
    responses: Record<string, unknown>;
    security: unknown[];
    parameters: { name?: string; in?: string }[];
  }
  let paths: Record<string, Record<string, Operation>>;
  let document: { openapi: string; components: object };

  beforeAll(async () => {
    const res = await request(app).get('/openapi.json');
    expect(res.status).toBe(200);
    document = res.body;
    ({ paths } = res.body);
  });

  const inOpenApi = (path: string) => path.replaceAll(/:(\w+)/g, '{$1}');

  it('lists every route, and nothing else', () => {
    const listed = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    const existing = table.map(({ method, path }) => `${method} ${inOpenApi(path)}`);
    expect(listed.sort()).toEqual(existing.sort());
    expect(document.openapi).toBe('3.1.0');
  });

  it.each(table.map((route) => [`${route.method} ${route.path}`, route] as const))(
    'describes %s by the very schema that validates it',
    (_name, { method, path, endpoint, guards }) => {
      const operation = paths[inOpenApi(path)]?.[method];
      const schema = operation?.requestBody?.content['application/json']?.schema;
      expect(schema === undefined).toBe(endpoint.body === undefined);
      const named = guards.length > 0 || endpoint.takesRefreshCookie === true;
      expect(operation?.security.length !== 0).toBe(named);
      const listed = operation?.parameters.filter(({ name }) => name !== undefined);
      const parameters = listed?.map(({ name, in: place }) => [name, place]);
      const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name]) => [name, 'path']);
      const inQuery = Object.keys(endpoint.query?.shape ?? {}).map((name) => [name, 'query']);
      const inHeaders = Object.keys(endpoint.headers?.shape ?? {}).map((name) => [name, 'header']);
      const expected = [...inPath, ...inQuery, ...inHeaders];
      expect(parameters).toEqual(expected);
      for (const status of Object.keys(endpoint.responses)) {
        expect(operation?.responses).toHaveProperty(status);
      }
      expect(operation?.responses).toHaveProperty('default');
    },
  );

  it('says which fields a login takes, which of them it needs, and how long they may be', () => {
    const schema = paths['/api/auth/login']?.['post']?.requestBody?.content['application/json']
      ?.schema as { required: string[]; properties: Record<string, object> };
    expect(Object.keys(schema.properties).sort()).toEqual([
      'challengeId',
      'email',
      'password',
      'refreshCookie',
      'rememberMe',
      'tenant',
    ]);
    expect([...schema.required].sort()).toEqual(['email', 'password']);
    expect(schema.properties['email']).toMatchObject({ type: 'string', maxLength: 254 });
  });

  it('says which routes take the refresh cookie, and what it is called', () => {
    const taking = Object.entries(paths).flatMap(([path, methods]) =>
      Object.values(methods).some(({ security }) => JSON.stringify(security).includes('refreshC'))
        ? [path]
        : [],
    );
    expect(taking).toEqual(['/api/auth/refresh', '/api/auth/logout']);
    expect(paths['/api/auth/refresh']?.['post']?.security).toEqual([{}, { refreshCookie: [] }]);
    const schemes = (document.components as unknown as { securitySchemes: object }).securitySchemes;
    expect(schemes).toMatchObject({ refreshCookie: { in: 'cookie', name: '__Host-refresh' } });
  });

  it('says that a step-up is answered with a code or a passkey, one of both', () => {
    const content = paths['/api/security/step-up/verify']?.['post']?.requestBody?.content;
    expect(content?.['application/json']?.schema).toMatchObject({
      required: ['purpose'],
      oneOf: [{ required: ['code'] }, { required: ['passkey'] }],
    });
  });

  it('says which filters the audit log takes, and every action that there is', () => {
    const { parameters } = paths['/api/compliance/audit-logs']?.['get'] ?? {};
    expect(parameters?.flatMap(({ name }) => name ?? []).sort()).toEqual(
      ['action', 'actor', 'correlationId', 'cursor', 'from', 'limit', 'outcome', 'sessionId']
        .concat(['subject', 'to'])
        .sort(),
    );
    const action = JSON.stringify(parameters?.find(({ name }) => name === 'action'));
    for (const name of Object.keys(AUDIT_ACTIONS)) expect(action).toContain(`"${name}"`);
  });
});
