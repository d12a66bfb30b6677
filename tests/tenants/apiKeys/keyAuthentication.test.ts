import { sql } from 'drizzle-orm';
import type { Express } from 'express';
import request from 'supertest';
import { db } from '@/server/db';
import { routeTable } from '@/server/createApp';
import { authenticate, authenticateCaller } from '@/server/http/authenticate';
import { BUILT_IN_PERMISSIONS } from '@/server/permissions';
import { auditOf } from '@/tests/helpers/database/authRows';
import { giveRoles, seedAdministrator } from '@/tests/helpers/people/administrator';
import { as } from '@/tests/helpers/people/officer';
import { makeApiKey, makeServiceKey, withKey } from '@/tests/helpers/people/programs';
import type { MadeKey } from '@/tests/helpers/people/programs';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { memoryLog } from '@/tests/helpers/server/memoryLog';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { buildApp } from '@/tests/helpers/server/testApp';
import { disableStaff, enableStaff, restoreTenant, suspendTenant } from '@/server/tenants';

// Two nodes on one database, each with its own connections and caches.
const one = buildApp();
const two = buildApp();
const nodes: [string, Express][] = [
  ['this node', one.app],
  ['another node', two.app],
];

const readMembers = (app: Express, key: string) => withKey(app, key).get('/api/tenants/staff');

async function expectInvalid(key: string) {
  for (const [, app] of nodes) {
    const res = await readMembers(app, key);
    expect([res.status, res.body.error]).toEqual([401, 'UNAUTHENTICATED']);
  }
}

const endNow = (column: 'expires_at' | 'previous_until', { id }: MadeKey) =>
  db.execute(
    sql`UPDATE api_keys SET ${sql.identifier(column)} = now() - interval '1 second' WHERE id = ${id}`,
  );

describe('a live key', () => {
  it.each(nodes)('opens the routes that programs may use, on %s', async (_name, app) => {
    const admin = await seedAdministrator();
    const { key } = await makeApiKey(one.app, admin);
    const res = await readMembers(app, key);
    expect(res.status).toBe(200);
    expect(res.body.staff).toHaveLength(1);
  });

  it('has only its own permissions, and only those that its holder has at that request', async () => {
    const admin = await seedAdministrator();
    const { key } = await makeApiKey(one.app, admin);
    const refused = await withKey(one.app, key).get('/api/compliance/audit-logs');
    expect([refused.status, refused.body.error]).toEqual([403, 'FORBIDDEN']);
    await db.execute(
      sql`UPDATE tenant_staff SET permissions = '{API_KEYS_MANAGE}' WHERE id = ${admin.staffId}`,
    );
    for (const [, app] of nodes) {
      const res = await readMembers(app, key);
      expect([res.status, res.body.error]).toEqual([403, 'FORBIDDEN']);
    }
    await db.execute(
      sql`UPDATE tenant_staff SET permissions = '{TENANT_STAFF_VIEW}' WHERE id = ${admin.staffId}`,
    );
    expect((await readMembers(one.app, key)).status).toBe(200);
  });

  it('names itself in every event that it causes, whose actor is its holder', async () => {
    const admin = await seedAdministrator();
    const victim = await seedTestUserAndToken({ tenantId: admin.tenantId });
    const { key, id } = await makeApiKey(one.app, admin, {
      permissions: ['TENANT_STAFF_MANAGE'],
    });
    const path = `/api/tenants/staff/${victim.staffId}/force-logout`;
    expect((await withKey(one.app, key).post(path, {})).status).toBe(204);
    expect(await auditOf('SESSION_INVALIDATED', admin.tenantId)).toMatchObject([
      { actor: admin.staffId, sessionId: null, details: { apiKeyId: id } },
    ]);
    await withKey(one.app, key).get('/api/tenants/staff');
    expect(await auditOf('PERMISSION_DENIED', admin.tenantId)).toMatchObject([
      { actor: admin.staffId, details: { apiKeyId: id, permission: 'TENANT_STAFF_VIEW' } },
    ]);
  });

  it('cannot act on somebody who holds more than the key, not even on its holder', async () => {
    const admin = await seedAdministrator();
    const peer = await seedAdministrator({ tenantId: admin.tenantId });
    const { key } = await makeApiKey(one.app, admin, { permissions: ['TENANT_STAFF_MANAGE'] });
    for (const { staffId, sessionId, token } of [peer, admin]) {
      const program = withKey(one.app, key);
      const path = `/api/tenants/staff/${staffId}`;
      const logout = await program.post(`${path}/force-logout`, {});
      const end = await program.del(`${path}/sessions/${sessionId}`);
      expect([logout.status, logout.body.error]).toEqual([403, 'NOT_YOURS_TO_MANAGE']);
      expect([end.status, end.body.error]).toEqual([403, 'NOT_YOURS_TO_MANAGE']);
      expect((await as(one.app, { token }).get('/api/auth/me')).status).toBe(200);
    }
  });

  it('has its last use noted, at most once a minute', async () => {
    const direct = buildApp({ trustProxy: false });
    const admin = await seedAdministrator();
    const made = await makeApiKey(one.app, admin);
    const used = async () => {
      await readMembers(direct.app, made.key);
      await direct.deps.tenantKeys.settle();
      const res = await as(one.app, admin).get(`/api/tenants/api-keys/${made.id}`);
      return [res.body.lastUsedAt as string | null, res.body.lastUsedIp as string | null] as const;
    };
    const [first, ip] = await used();
    expect(first).not.toBeNull();
    expect(ip).toMatch(/127\.0\.0\.1|::1/);
    expect((await used())[0]).toBe(first);
    await db.execute(
      sql`UPDATE api_keys SET last_used_at = last_used_at - interval '2 minutes' WHERE id = ${made.id}`,
    );
    expect((await used())[0]).not.toBe(first);
  });
});

describe('a key that is no longer good', () => {
  it('is refused at its next request on every node once it is revoked', async () => {
    const admin = await seedAdministrator();
    const { key, id } = await makeApiKey(one.app, admin);
    expect((await readMembers(two.app, key)).status).toBe(200);
    expect((await as(one.app, admin).del(`/api/tenants/api-keys/${id}`)).status).toBe(204);
    await expectInvalid(key);
    expect(await auditOf('API_KEY_REVOKED', admin.tenantId)).toMatchObject([
      { details: { reason: 'revoked', holder: admin.staffId, via: 'api' } },
    ]);
  });

  it('is refused at its next request on every node once it has expired', async () => {
    const made = await makeApiKey(one.app, await seedAdministrator());
    expect((await readMembers(two.app, made.key)).status).toBe(200);
    await endNow('expires_at', made);
    await expectInvalid(made.key);
  });

  it('gets the same answer whether it is unknown, revoked or expired, or its holder is disabled', async () => {
    const admin = await seedAdministrator();
    const { key: revoked, id } = await makeApiKey(one.app, admin);
    await as(one.app, admin).del(`/api/tenants/api-keys/${id}`);
    const expired = await makeApiKey(one.app, admin);
    await endNow('expires_at', expired);
    const unknown = await makeApiKey(one.app, admin);
    await db.execute(sql`DELETE FROM api_keys WHERE id = ${unknown.id}`);
    const peer = await seedAdministrator({ tenantId: admin.tenantId });
    const { key: disabled } = await makeApiKey(one.app, peer);
    const who = { tenantId: peer.tenantId, staffId: peer.staffId };
    await disableStaff(one.deps, operatorContext, who, { via: 'operator' });
    const answers = [];
    for (const key of [revoked, expired.key, unknown.key, disabled]) {
      const { status, body, headers } = await readMembers(one.app, key);
      answers.push({
        status,
        body: { ...body, correlationId: '' },
        names: Object.keys(headers).sort(),
        challenge: headers['www-authenticate'],
      });
    }
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(answers[0]?.status).toBe(401);
  });

  it('is recorded with the reason when it is tried, once a minute for each reason', async () => {
    const admin = await seedAdministrator();
    const revoked = await makeApiKey(one.app, admin);
    await as(one.app, admin).del(`/api/tenants/api-keys/${revoked.id}`);
    const expired = await makeApiKey(one.app, admin);
    await endNow('expires_at', expired);
    const rotated = await makeApiKey(one.app, admin);
    const rotation = `/api/tenants/api-keys/${rotated.id}/rotate`;
    expect((await as(one.app, admin).post(rotation, {})).status).toBe(200);
    await endNow('previous_until', rotated);
    for (const { key } of [revoked, expired, rotated, revoked]) {
      expect((await readMembers(one.app, key)).status).toBe(401);
    }
    const events = await auditOf('API_KEY_REFUSED', admin.tenantId);
    expect(events.map(({ subject, actor, details }) => ({ subject, actor, details }))).toEqual(
      Object.entries({ revoked, expired, rotated }).map(([reason, { id }]) => ({
        subject: `api-key:${id}`,
        actor: admin.staffId,
        details: { reason, repeated: 0 },
      })),
    );
  });

  it('is refused while its holder or its tenant is stopped, and that is recorded', async () => {
    const admin = await seedAdministrator();
    const peer = await seedAdministrator({ tenantId: admin.tenantId });
    const { key, id } = await makeApiKey(one.app, peer);
    const who = { tenantId: peer.tenantId, staffId: peer.staffId };
    await disableStaff(one.deps, operatorContext, who, { via: 'operator' });
    await expectInvalid(key);
    expect((await auditOf('API_KEY_REFUSED', peer.tenantId))[0]).toMatchObject({
      outcome: 'denied',
      actor: peer.staffId,
      subject: `api-key:${id}`,
      details: { reason: 'holder', repeated: 0 },
    });
    await enableStaff(one.deps, operatorContext, who, { via: 'operator' });
    expect((await readMembers(one.app, key)).status).toBe(200);
    await suspendTenant(one.deps, operatorContext, peer);
    await expectInvalid(key);
    await restoreTenant(one.deps, operatorContext, peer);
    expect((await readMembers(one.app, key)).status).toBe(200);
  });

  it.each(['', 'x', 'A'.repeat(49), 'é'.repeat(10)])(
    'is refused without a question to the database if it is malformed: %s',
    async (rest) => {
      const query = jest.spyOn(one.deps.pool, 'query');
      try {
        const res = await readMembers(one.app, `ghk_t${encodeURIComponent(rest)}`);
        expect(res.status).toBe(401);
        expect(query).not.toHaveBeenCalled();
      } finally {
        query.mockRestore();
      }
    },
  );

  it('is refused without a question to the database if a character or the kind is wrong', async () => {
    const { key } = await makeApiKey(one.app, await seedAdministrator());
    const service = await makeServiceKey(one.deps, ['tenants:manage']);
    const swapped = key.slice(0, 20) + (key[20] === 'a' ? 'b' : 'a') + key.slice(21);
    const query = jest.spyOn(one.deps.pool, 'query');
    try {
      for (const wrong of [swapped, `ghk_s${key.slice(5)}`, key.toLowerCase(), service]) {
        expect((await readMembers(one.app, wrong)).status).toBe(401);
      }
      expect(query).not.toHaveBeenCalled();
    } finally {
      query.mockRestore();
    }
  });
});

describe('the addresses of a key', () => {
  const trusting = buildApp({ trustProxy: 1 });
  const from = (key: string, address: string) =>
    readMembers(trusting.app, key).set('x-forwarded-for', address);

  it.each([
    [['192.0.2.0/24'], '192.0.2.7', 200],
    [['192.0.2.7'], '::ffff:192.0.2.7', 200],
    [['192.0.2.0/24', '2001:db8::/32'], '2001:db8::1', 200],
    [['192.0.2.0/24'], '192.0.3.7', 403],
    [['2001:db8::/32'], '192.0.2.7', 403],
    [[], '203.0.113.9', 200],
  ])('%j, used from %s: %i', async (addresses, address, status) => {
    const { key } = await makeApiKey(one.app, await seedAdministrator(), { addresses });
    const res = await from(key, address);
    expect(res.status).toBe(status);
    if (status === 403) expect(res.body.error).toBe('KEY_ADDRESS_REFUSED');
  });

  it('are recorded when they refuse a key, once for a flood, and the flood is counted', async () => {
    const admin = await seedAdministrator();
    const { key, id } = await makeApiKey(one.app, admin, { addresses: ['192.0.2.0/24'] });
    for (let index = 0; index < 20; index += 1) await from(key, '203.0.113.9');
    const events = await auditOf('API_KEY_REFUSED', admin.tenantId);
    expect(events).toMatchObject([
      { subject: `api-key:${id}`, outcome: 'denied', details: { reason: 'address', repeated: 0 } },
    ]);
    const [row] = (await as(one.app, admin).get('/api/tenants/api-keys')).body.keys;
    expect(row).toMatchObject({ id, lastUsedAt: null });
  });

  it('say nothing about a revoked key: it is unknown from everywhere', async () => {
    const admin = await seedAdministrator();
    const { key, id } = await makeApiKey(one.app, admin, { addresses: ['192.0.2.0/24'] });
    await as(one.app, admin).del(`/api/tenants/api-keys/${id}`);
    expect((await from(key, '203.0.113.9')).status).toBe(401);
  });

  it('refuse a key if a proxy hides who its client is', async () => {
    const { key } = await makeApiKey(one.app, await seedAdministrator(), {
      addresses: ['127.0.0.0/8', '::1/128'],
    });
    const direct = buildApp({ trustProxy: false });
    expect((await readMembers(direct.app, key)).status).toBe(200);
    expect((await readMembers(trusting.app, key)).status).toBe(403);
  });
});

describe('what only people can do', () => {
  it('is refused to every key before it is looked up: all other guarded routes', async () => {
    const admin = await seedAdministrator();
    // A key with SCIM_PROVISION has nothing else: tests/scim/scimKeys.test.ts.
    const permissions = BUILT_IN_PERMISSIONS.filter((name) => name !== 'SCIM_PROVISION');
    const { key } = await makeApiKey(one.app, admin, { permissions });
    const table = routeTable(one.deps);
    const ofPeople = table.filter(({ guards }) => guards.includes(authenticate));
    const paths = ofPeople.map(({ method, path }) => `${method} ${path}`);
    expect(paths).toEqual(
      expect.arrayContaining([
        'post /api/tenants/api-keys',
        'put /api/tenants/api-keys/:id',
        'post /api/tenants/api-keys/:id/rotate',
        'delete /api/tenants/api-keys/:id',
        'get /api/tenants/api-keys',
        'post /api/compliance/export/bundle',
      ]),
    );
    for (const { method, path } of ofPeople) {
      const res = await request(one.app)
        [method](path.replaceAll(/:\w+/g, admin.staffId))
        .set('authorization', `Bearer ${key}`)
        .set('x-stepup-test-bypass', '1')
        .send({});
      expect([method, path, res.status, res.body.error]).toEqual([
        method,
        path,
        403,
        'PERSON_REQUIRED',
      ]);
    }
  });

  it('includes every route with a step-up, and every change but the two that end sessions', () => {
    const ofCallers = routeTable(one.deps).filter(({ guards }) =>
      guards.includes(authenticateCaller),
    );
    const changes = ofCallers.filter(({ method }) => method !== 'get');
    expect(changes.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'post /api/tenants/staff/:id/force-logout',
      'delete /api/tenants/staff/:id/sessions/:sessionId',
    ]);
    expect(ofCallers.every(({ guards }) => guards.length <= 2)).toBe(true);
  });

  it('is refused to a key at optional sign-ins and enrolments too', async () => {
    const { key } = await makeApiKey(one.app, await seedAdministrator());
    for (const path of [
      '/api/security/step-up/start',
      '/api/auth/logout',
      '/api/security/totp/enroll',
    ]) {
      const res = await withKey(one.app, key).post(path, {});
      expect([path, res.status, res.body.error]).toEqual([path, 403, 'PERSON_REQUIRED']);
    }
  });
});

describe('the text of a key', () => {
  it('is in no log line, no event and no row, whether it is good or refused', async () => {
    const { lines, logger } = memoryLog();
    const noisy = buildApp({}, { logger });
    const admin = await seedAdministrator();
    const { key, id } = await makeApiKey(noisy.app, admin, { addresses: ['192.0.2.0/24'] });
    const rotated = await as(noisy.app, admin).post(`/api/tenants/api-keys/${id}/rotate`, {});
    const texts = [key, String(rotated.body.key)];
    for (const text of texts) {
      await readMembers(noisy.app, text);
      await withKey(noisy.app, text).post('/api/tenants/api-keys', {});
    }
    const list = await as(noisy.app, admin).get('/api/tenants/api-keys');
    const { rows } = await db.execute(sql`SELECT to_jsonb(a)::text AS row FROM audit_logs a
      WHERE tenant_id = ${admin.tenantId}
      UNION ALL SELECT to_jsonb(k)::text FROM api_keys k WHERE id = ${id}`);
    expect(rows.length).toBeGreaterThan(3);
    expect(lines.length).toBeGreaterThan(3);
    const everything = JSON.stringify([lines, rows, list.body, list.headers]);
    for (const text of texts) {
      expect(text).toMatch(/^ghk_t[0-9A-Za-z]{49}$/);
      expect(everything).not.toContain(text.slice(5, 30));
    }
    expect(everything).not.toContain('ghk_');
  });
});

it('a holder who is given back a right has it in the key as well, and a role change counts at once', async () => {
  const admin = await seedAdministrator();
  const holder = await seedAdministrator({ tenantId: admin.tenantId });
  const { key } = await makeApiKey(one.app, holder);
  await giveRoles(holder, 'member');
  await db.execute(sql`UPDATE tenant_staff SET permissions = '{}' WHERE id = ${holder.staffId}`);
  expect((await readMembers(two.app, key)).status).toBe(403);
  await giveRoles(holder, 'auditor');
  expect((await readMembers(two.app, key)).status).toBe(200);
});
