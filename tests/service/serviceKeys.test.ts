import { sql } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { makeKeyText } from '@/server/keyText';
import { auditOf } from '@/tests/helpers/database/authRows';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import { makeApiKey, makeServiceKey, withKey } from '@/tests/helpers/people/programs';
import { operate } from '@/tests/helpers/server/operatorCommand';
import { externalEnv } from '@/tests/helpers/server/serverProcess';
import { buildApp } from '@/tests/helpers/server/testApp';

const one = buildApp();
const two = buildApp();
const env = externalEnv();

async function run(...words: string[]) {
  const { code, stdout, stderr } = await operate(env, words);
  return { code, stderr, out: (code === 0 ? JSON.parse(stdout) : {}) as Record<string, unknown> };
}

const self = (key: string, { app } = one) => withKey(app, key).get('/api/service/self');
const NOBODY = '0198c7a2-5a51-7d6c-8f0e-3b1f6a0c9d11';
const newSlug = () => `svc-${Math.random().toString(36).slice(2, 10)}`;

describe('a service key', () => {
  it('opens the routes of its scopes and no others', async () => {
    const weak = await makeServiceKey(one.deps, ['introspect']);
    const res = await self(weak);
    expect(res.status).toBe(200);
    expect(res.body).toMatchObject({ scopes: ['introspect'], expiresAt: null });
    const refused = await withKey(one.app, weak).get('/api/service/tenants');
    expect([refused.status, refused.body.error]).toEqual([403, 'FORBIDDEN']);
    expect(refused.body.detail).toContain('tenants:manage');
  });

  it('and only such a key: no access token, no tenant key, nothing', async () => {
    const admin = await seedAdministrator();
    const { key } = await makeApiKey(one.app, admin);
    for (const token of [admin.token, key, 'nonsense']) {
      const res = await self(token);
      expect([res.status, res.body.error]).toEqual([401, 'UNAUTHENTICATED']);
    }
    const program = withKey(one.app, await makeServiceKey(one.deps, ['tenants:manage']));
    expect((await program.get('/api/tenants/staff')).status).toBe(401);
    expect((await program.get('/api/auth/me')).body.error).toBe('PERSON_REQUIRED');
  });

  it('is asked for if another credential, or none, is sent', async () => {
    const { key } = await makeApiKey(one.app, await seedAdministrator());
    const program = await makeServiceKey(one.deps, ['tenants:manage']);
    const swapped = `${program.slice(0, 5)}${program[5] === 'a' ? 'b' : 'a'}${program.slice(6)}`;
    const unknown = makeKeyText(one.deps.random, 's');
    const details: unknown[] = [];
    for (const text of [undefined, 'nonsense', key, swapped, unknown]) {
      const sent = text === undefined ? {} : { authorization: `Bearer ${text}` };
      details.push((await request(one.app).get('/api/service/self').set(sent)).body.detail);
    }
    expect(details).toEqual([
      'Send a service key as the bearer token.',
      'This needs a service key, and no access token.',
      'This needs a service key, and not the API key of a tenant.',
      'The key is incomplete or was changed: its checksum is wrong.',
      'The key is not valid: it is unknown, was replaced or revoked, or has expired.',
    ]);
    const elsewhere = await withKey(one.app, program).get('/api/tenants/staff');
    expect(elsewhere.body.detail).toMatch(/^A service key cannot do this: use an access token,/);
  });

  it('creates, lists, suspends and resumes tenants, and every event names it', async () => {
    const key = await makeServiceKey(one.deps, ['tenants:manage']);
    const { id } = (await self(key)).body as { id: string };
    const program = withKey(one.app, key);
    const slug = newSlug();
    const created = await program.post('/api/service/tenants', {
      slug,
      name: 'Globex',
      ticket: 'T-1',
    });
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({ slug, name: 'Globex', status: 'active' });
    const tenantId = String(created.body.tenantId);
    const again = await program.post('/api/service/tenants', { slug, name: 'Again' });
    expect([again.status, again.body.error]).toEqual([409, 'TENANT_SLUG_TAKEN']);
    const member = await seedAdministrator({ tenantId });
    const suspended = await program.post(`/api/service/tenants/${tenantId}/suspend`, {});
    expect(suspended.body).toMatchObject({ status: 'suspended', accessLeft: 0 });
    expect((await withKey(two.app, member.token).get('/api/auth/me')).status).toBe(401);
    const resumed = await program.post(`/api/service/tenants/${tenantId}/resume`, {});
    expect(resumed.body).toMatchObject({ status: 'active' });
    for (const action of ['TENANT_CREATED', 'TENANT_SUSPENDED', 'TENANT_RESTORED'] as const) {
      expect(await auditOf(action, tenantId)).toMatchObject([
        { actor: `service:${id}`, details: { via: 'service' } },
      ]);
    }
    expect(await auditOf('TENANT_CREATED', tenantId)).toMatchObject([
      { details: { ticket: 'T-1' } },
    ]);
    expect((await auditOf('SESSION_INVALIDATED', tenantId))[0]?.actor).toBe(`service:${id}`);
    const unknown = await program.post(`/api/service/tenants/${id}/suspend`, {});
    expect([unknown.status, unknown.body.error]).toEqual([404, 'NOT_FOUND']);
  });

  it('reads the list of tenants page by page', async () => {
    const program = withKey(one.app, await makeServiceKey(one.deps, ['tenants:manage']));
    for (const slug of [newSlug(), newSlug()]) {
      await program.post('/api/service/tenants', { slug, name: 'Globex' }).expect(201);
    }
    const slugs: string[] = [];
    let query = '?limit=1';
    for (;;) {
      const { body } = await program.get(`/api/service/tenants${query}`).expect(200);
      slugs.push(...(body.tenants as { slug: string }[]).map(({ slug }) => slug));
      if (body.nextCursor === null) break;
      query = `?limit=1&cursor=${String(body.nextCursor)}`;
    }
    const { rows } = await db.execute(sql`SELECT slug FROM tenants ORDER BY slug COLLATE "C"`);
    expect(slugs).toEqual(rows.map(({ slug }) => slug));
    const odd = await program.get('/api/service/tenants?cursor=nonsense!');
    expect(odd.status).toBe(400);
  });

  it('is refused from another address, and that is recorded', async () => {
    const key = await makeServiceKey(one.deps, ['introspect'], { addresses: ['192.0.2.0/24'] });
    const direct = buildApp({ trustProxy: false });
    const res = await self(key, direct);
    expect([res.status, res.body.error]).toEqual([403, 'KEY_ADDRESS_REFUSED']);
    const { rows } = await db.execute(sql`SELECT a.actor, a.tenant_id FROM audit_logs a
      JOIN service_keys k ON a.subject = 'service-key:' || k.id
      WHERE a.action = 'API_KEY_REFUSED' AND k.addresses = '{192.0.2.0/24}'`);
    expect(rows).toMatchObject([{ actor: expect.stringMatching(/^service:/), tenant_id: null }]);
  });
});

it('records that a revoked service key is tried', async () => {
  const created = await run('service-key', 'create', '--name', 'Old job', '--scope', 'introspect');
  const { id, key } = created.out as { id: string; key: string };
  await run('service-key', 'revoke', '--key', id);
  expect((await self(key)).status).toBe(401);
  const { rows } = await db.execute(sql`SELECT actor, tenant_id, details FROM audit_logs
    WHERE action = 'API_KEY_REFUSED' AND subject = ${`service-key:${id}`}`);
  expect(rows).toEqual([
    { actor: `service:${id}`, tenant_id: null, details: { reason: 'revoked', repeated: 0 } },
  ]);
});

describe('an operator', () => {
  it('creates, lists, rotates and revokes service keys, and each is recorded', async () => {
    const words = ['service-key', 'create', '--name', 'Billing job', '--scope', 'tenants:manage'];
    const created = await run(...words, '--expires-in-days', '30', '--ticket', 'OPS-7');
    expect(created.stderr).toBe('');
    const { id, key } = created.out as { id: string; key: string };
    expect(key).toMatch(/^ghk_s[0-9A-Za-z]{49}$/);
    expect((await self(key)).body).toMatchObject({ id, name: 'Billing job' });
    const twice = await run(...words);
    expect(twice).toMatchObject({ code: 1, stderr: 'Another service key has this name.\n' });

    const rotated = await run('service-key', 'rotate', '--key', id, '--overlap-hours', '1');
    const next = String(rotated.out['key']);
    const until = Date.parse(String(rotated.out['previousUntil']));
    expect(until - Date.parse(String(rotated.out['rotatedAt']))).toBe(3_600_000);
    expect([(await self(key)).status, (await self(next)).status]).toEqual([200, 200]);
    await db.execute(
      sql`UPDATE service_keys SET previous_until = now() - interval '1 second' WHERE id = ${id}`,
    );
    expect([(await self(key)).status, (await self(next, two)).status]).toEqual([401, 200]);

    const { out } = await run('service-key', 'list');
    expect(out['keys']).toContainEqual(expect.objectContaining({ id, previousUntil: null }));
    expect(JSON.stringify(out)).toContain(id);
    expect(JSON.stringify(out)).not.toContain('ghk_');

    expect((await run('service-key', 'revoke', '--key', id)).out).toEqual({
      keyId: id,
      revoked: true,
    });
    for (const node of [one, two]) expect((await self(next, node)).status).toBe(401);
    expect((await run('service-key', 'revoke', '--key', id)).code).toBe(1);
    const { rows } = await db.execute(
      sql`SELECT action, details FROM audit_logs WHERE subject = ${`service-key:${id}`} ORDER BY id`,
    );
    expect(rows).toMatchObject([
      { action: 'SERVICE_KEY_CREATED', details: { ticket: 'OPS-7', scopes: ['tenants:manage'] } },
      { action: 'SERVICE_KEY_ROTATED', details: { overlapSec: 3600 } },
      { action: 'API_KEY_REFUSED', details: { reason: 'rotated' } },
      { action: 'SERVICE_KEY_REVOKED', details: { via: 'operator' } },
      { action: 'API_KEY_REFUSED', details: { reason: 'revoked' } },
      { action: 'API_KEY_REFUSED', details: { reason: 'revoked' } },
    ]);
  });

  it.each([
    [['--scope', 'everything'], /--scope must be one or more of introspect/],
    [['--scope', 'introspect,everything'], /--scope must be/],
    [['--scope', 'introspect', '--address', '10.1'], /--address/],
    [['--scope', 'introspect', '--expires-in-days', '400'], /--expires-in-days must be/],
  ])('cannot create one with %j', async (words, message) => {
    const refused = await run('service-key', 'create', '--name', 'Odd', ...words);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(message)]);
  });

  it.each([
    [['service-key', 'rotate', '--key', 'nope'], 'service key'],
    [['service-key', 'revoke', '--key', NOBODY], 'service key'],
    [['api-key', 'revoke', '--tenant', 'SLUG', '--key', NOBODY], 'API key'],
    [['invitations', 'resend', '--tenant', 'SLUG', '--link', '--invitation', NOBODY], 'invitation'],
    [['invitations', 'revoke', '--tenant', 'SLUG', '--invitation', NOBODY], 'invitation'],
    [['approvals', 'refuse', '--tenant', 'SLUG', '--approval', NOBODY], 'approval'],
  ])('is told what does not exist by %j', async (words, thing) => {
    const { tenantSlug } = await seedAdministrator();
    const { code, stderr } = await run(...words.map((word) => word.replace('SLUG', tenantSlug)));
    expect([code, stderr]).toEqual([1, `There is no ${thing} '${words.at(-1)}'.\n`]);
  });

  it('refuses an expired one at the next request', async () => {
    const key = await makeServiceKey(one.deps, ['introspect'], { expiresInDays: 1 });
    const { id } = (await self(key)).body as { id: string };
    await db.execute(sql`UPDATE service_keys SET expires_at = now() WHERE id = ${id}`);
    expect((await self(key, two)).status).toBe(401);
  });

  it('lists and revokes the API keys of a tenant', async () => {
    const admin = await seedAdministrator();
    const { key, id } = await makeApiKey(one.app, admin);
    const slug = admin.tenantSlug;
    const listed = await run('api-key', 'list', '--tenant', slug, '--status', 'live');
    expect(listed.out).toMatchObject({ keys: [{ id, holder: { email: admin.email } }] });
    expect((await run('api-key', 'revoke', '--tenant', slug, '--key', id)).stderr).toBe('');
    expect((await withKey(two.app, key).get('/api/tenants/staff')).status).toBe(401);
    expect((await auditOf('API_KEY_REVOKED', admin.tenantId))[0]).toMatchObject({
      details: { reason: 'revoked', via: 'operator' },
    });
  });
});
