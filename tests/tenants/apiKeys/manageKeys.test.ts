import { sql } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { createKeyRing } from '@/server/keyRing';
import { readKeyStatus } from '@/server/keys/keyStatus';
import { BUILT_IN_PERMISSIONS } from '@/server/permissions';
import { auditOf } from '@/tests/helpers/database/authRows';
import { mailsOf } from '@/tests/helpers/mail/mailRows';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import { as } from '@/tests/helpers/people/officer';
import { makeApiKey, newKeyName, withKey } from '@/tests/helpers/people/programs';
import type { MadeKey } from '@/tests/helpers/people/programs';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { seedSettings } from '@/tests/helpers/server/seedSettings';
import { buildApp } from '@/tests/helpers/server/testApp';
import { codeAt, giveFactor } from '@/tests/helpers/stepUp/secondFactor';

const { app, deps } = buildApp();
const PATH = '/api/tenants/api-keys';
const DAY_MS = 86_400_000;

const works = async (key: string) =>
  (await withKey(app, key).get('/api/tenants/staff')).status === 200;

const errorOf = ({ status, body }: request.Response) => [status, body.error];

describe('creating a key', () => {
  it('shows the key once, and stores what was asked for', async () => {
    const admin = await seedAdministrator();
    const body = {
      ...{ name: 'Nightly report', permissions: ['TENANT_STAFF_VIEW'], addresses: ['192.0.2.7'] },
      ...{ expiresInDays: 30, ticket: 'OPS-1' },
    };
    const res = await as(app, admin).post(PATH, body);
    expect(res.status).toBe(201);
    const { key, ...shown } = res.body;
    expect(key).toMatch(/^ghk_t[0-9A-Za-z]{49}$/);
    expect(shown).toMatchObject({
      ...{ name: 'Nightly report', permissions: ['TENANT_STAFF_VIEW'], addresses: ['192.0.2.7'] },
      ...{ holder: { staffId: admin.staffId, email: admin.email }, status: 'live' },
      ...{ rotatedAt: null, previousUntil: null, revokedAt: null, lastUsedAt: null },
    });
    const days = (Date.parse(shown.expiresAt) - Date.parse(shown.createdAt)) / DAY_MS;
    expect(days).toBeCloseTo(30, 5);
    expect((await as(app, admin).get(`${PATH}/${shown.id}`)).body).toEqual(shown);
    expect((await as(app, admin).get(PATH)).body).toEqual({ keys: [shown], nextCursor: null });
    expect(await auditOf('API_KEY_CREATED', admin.tenantId)).toMatchObject([
      {
        subject: `api-key:${shown.id}`,
        details: {
          ...{ name: 'Nightly report', permissions: ['TENANT_STAFF_VIEW'] },
          ...{ addresses: ['192.0.2.7'], holder: admin.staffId, via: 'api', ticket: 'OPS-1' },
          expiresAt: shown.expiresAt,
        },
      },
    ]);
  });

  it('needs the permission, and a proof for exactly this request', async () => {
    const admin = await seedAdministrator();
    const weak = await seedTestUserAndToken({
      tenantId: admin.tenantId,
      permissions: BUILT_IN_PERMISSIONS.filter((one) => one !== 'API_KEYS_MANAGE'),
    });
    const body = { name: 'Nightly', permissions: [] };
    expect(errorOf(await as(app, weak).post(PATH, body))).toEqual([403, 'FORBIDDEN']);
    const secret = await giveFactor(admin);
    const bearer = { authorization: `Bearer ${admin.token}` };
    const unproven = await request(app).post(PATH).set(bearer).send(body);
    expect(errorOf(unproven)).toEqual([428, 'STEP_UP_REQUIRED']);
    const { challengeId, purpose } = unproven.body;
    const code = codeAt(secret, deps.clock.now());
    const verify = request(app).post('/api/security/step-up/verify').set(bearer);
    expect((await verify.send({ code, purpose, challengeId })).status).toBe(200);
    const other = { ...body, permissions: ['TENANT_STAFF_VIEW'] };
    expect((await request(app).post(PATH).set(bearer).send(other)).status).toBe(428);
    expect((await request(app).post(PATH).set(bearer).send(body)).status).toBe(201);
    expect(
      (
        await request(app)
          .post(PATH)
          .set(bearer)
          .send({ ...body, name: 'B' })
      ).status,
    ).toBe(428);
  });

  it('gives no permission that the caller does not hold', async () => {
    const admin = await seedTestUserAndToken({ permissions: ['API_KEYS_MANAGE'] });
    const body = { name: 'Nightly', permissions: ['TENANT_STAFF_VIEW'] };
    expect(errorOf(await as(app, admin).post(PATH, body))).toEqual([403, 'NOT_YOURS_TO_GIVE']);
  });

  it.each([
    [{ expiresInDays: 367 }],
    [{ expiresInDays: 0 }],
    [{ expiresInDays: 1.5 }],
    [{ expiresInDays: null }],
    [{ addresses: ['10.1'] }],
    [{ addresses: ['192.0.2.0/33'] }],
    [{ addresses: ['nowhere.example'] }],
    [{ addresses: Array.from({ length: 51 }, (_, index) => `192.0.2.${index}`) }],
    [{ name: ' ' }],
    [{ name: 'a\nb' }],
    [{ permissions: ['no such'] }],
    [{ holder: 'somebody' }],
  ])('refuses %j', async (change) => {
    const admin = await seedAdministrator();
    const res = await as(app, admin).post(PATH, { name: 'Nightly', permissions: [], ...change });
    expect(errorOf(res)).toEqual([400, 'INVALID_INPUT']);
  });

  it('refuses a name that a live key of the tenant has, and takes it again once that key has ended', async () => {
    const admin = await seedAdministrator();
    const first = await makeApiKey(app, admin, { name: 'Nightly' });
    const again = () => as(app, admin).post(PATH, { name: 'NIGHTLY', permissions: [] });
    expect(errorOf(await again())).toEqual([409, 'KEY_NAME_TAKEN']);
    await makeApiKey(app, await seedAdministrator(), { name: 'Nightly' });
    await as(app, admin).del(`${PATH}/${first.id}`);
    expect((await again()).status).toBe(201);
  });

  it.each([
    ['Ｎightly', 'another form of a letter'],
    ['Nightly\u{115f}', 'a filler'],
    ['Night\u{fe0f}ly', 'a variation selector'],
  ])('refuses a name that looks like that of a live key: %j has %s', async (name) => {
    const admin = await seedAdministrator();
    await makeApiKey(app, admin, { name: 'Nightly' });
    const other = await makeApiKey(app, admin, { name: 'Weekly' });
    const taken = [409, 'KEY_NAME_TAKEN'];
    expect(errorOf(await as(app, admin).post(PATH, { name, permissions: [] }))).toEqual(taken);
    expect(errorOf(await as(app, admin).put(`${PATH}/${other.id}`, { name }))).toEqual(taken);
    const renamed = await as(app, admin).put(`${PATH}/${other.id}`, { name: 'Ｗeekly' });
    expect(renamed.status).toBe(200);
  });

  it('stops at 100 live keys, also when several are created at once', async () => {
    const admin = await seedAdministrator();
    await db.execute(sql`INSERT INTO api_keys (tenant_id, staff_id, user_id, name, secret_hash, key_id, expires_at)
      SELECT ${admin.tenantId}, ${admin.staffId}, ${admin.userId}, 'k' || n, sha256((${admin.staffId} || n)::bytea), 'x',
        now() + interval '1 day' FROM generate_series(1, 97) n`);
    const create = () =>
      as(app, admin).post(PATH, { name: newKeyName(), permissions: [] }).then(errorOf);
    const answers = await Promise.all(Array.from({ length: 8 }, create));
    expect(answers.filter(([status]) => status === 201)).toHaveLength(3);
    expect(answers.filter(([, error]) => error === 'TOO_MANY_KEYS')).toHaveLength(5);
  });

  it('tells the holder by mail, and so does its rotation, without the key', async () => {
    const admin = await seedAdministrator();
    const { id, key } = await makeApiKey(app, admin);
    const rotated = await as(app, admin).post(`${PATH}/${id}/rotate`, {}).expect(200);
    const mails = await mailsOf(admin);
    expect(mails.map(({ kind }) => kind)).toEqual(['api_key_created', 'api_key_rotated']);
    for (const text of [key, String(rotated.body.key)]) {
      expect(JSON.stringify(mails)).not.toContain(text);
    }
  });
});

describe('changing a key', () => {
  const change = (who: { token: string }, { id }: MadeKey, body: object) =>
    as(app, who).put(`${PATH}/${id}`, body);

  it('counts from the next request on, and is recorded with both versions', async () => {
    const admin = await seedAdministrator();
    const made = await makeApiKey(app, admin);
    expect(await works(made.key)).toBe(true);
    const res = await change(admin, made, { permissions: ['SETTINGS_SECURITY_VIEW'], name: 'New' });
    expect(res.body).toMatchObject({ name: 'New', permissions: ['SETTINGS_SECURITY_VIEW'] });
    expect(await works(made.key)).toBe(false);
    const before = { name: made.name, permissions: ['TENANT_STAFF_VIEW'], addresses: [] };
    const after = { name: 'New', permissions: ['SETTINGS_SECURITY_VIEW'], addresses: [] };
    expect(await auditOf('API_KEY_CHANGED', admin.tenantId)).toMatchObject([
      { details: { before, after, holder: admin.staffId } },
    ]);
    expect((await change(admin, made, { name: 'New' })).status).toBe(200);
    expect(await auditOf('API_KEY_CHANGED', admin.tenantId)).toHaveLength(1);
    expect((await change(admin, made, { addresses: ['192.0.2.0/24'] })).status).toBe(200);
    expect((await withKey(app, made.key).get('/api/compliance/audit-logs')).status).toBe(403);
  });

  it('by somebody else can narrow the key, but never widen it', async () => {
    const admin = await seedAdministrator();
    const peer = await seedAdministrator({ tenantId: admin.tenantId });
    const made = await makeApiKey(app, peer, {
      permissions: ['TENANT_STAFF_VIEW', 'SETTINGS_SECURITY_VIEW'],
    });
    const narrow = await change(admin, made, { permissions: ['TENANT_STAFF_VIEW'] });
    expect(narrow.status).toBe(200);
    const widen = await change(admin, made, {
      permissions: ['TENANT_STAFF_VIEW', 'TENANT_STAFF_MANAGE'],
    });
    expect(errorOf(widen)).toEqual([403, 'KEY_HOLDER_ONLY']);
    const own = await change(peer, made, {
      permissions: ['TENANT_STAFF_VIEW', 'TENANT_STAFF_MANAGE'],
    });
    expect(own.status).toBe(200);
  });

  it.each([
    [['10.1.0.0/16', '192.0.2.7'], 200],
    [['10.0.0.0/8'], 200],
    [['::ffff:10.1.1.1', '2001:db8::1'], 200],
    [[], 403],
    [['0.0.0.0/0'], 403],
    [['10.0.0.0/7'], 403],
    [['10.1.0.0/16', '192.0.2.8'], 403],
    [['2001:db8::/31'], 403],
    [['::/0'], 403],
  ])('of its addresses to %j by somebody else is answered with %i', async (addresses, status) => {
    const admin = await seedAdministrator();
    const holder = await seedAdministrator({ tenantId: admin.tenantId });
    const own = ['10.0.0.0/8', '192.0.2.7', '2001:db8::/32'];
    const made = await makeApiKey(app, holder, { addresses: own });
    const res = await change(admin, made, { addresses });
    expect(res.status).toBe(status);
    const { body } = await as(app, admin).get(`${PATH}/${made.id}`);
    expect(body.addresses).toEqual(status === 200 ? addresses : own);
    if (status === 403) expect(res.body.error).toBe('KEY_HOLDER_ONLY');
    expect((await change(holder, made, { addresses: [] })).status).toBe(200);
    // Every list is narrower than all addresses.
    expect((await change(admin, made, { addresses })).status).toBe(200);
  });

  it('and rotating and revoking it are refused if its holder holds more than the caller', async () => {
    const admin = await seedAdministrator();
    const weak = await seedTestUserAndToken({
      tenantId: admin.tenantId,
      permissions: ['API_KEYS_MANAGE', 'TENANT_STAFF_VIEW'],
    });
    const made = await makeApiKey(app, admin);
    const path = `${PATH}/${made.id}`;
    const answers = [
      await change(weak, made, { name: 'Mine' }),
      await as(app, weak).post(`${path}/rotate`, {}),
      await as(app, weak).del(path),
    ];
    for (const res of answers) expect(errorOf(res)).toEqual([403, 'NOT_YOURS_TO_MANAGE']);
    expect(await works(made.key)).toBe(true);
  });

  it('that has ended is refused', async () => {
    const admin = await seedAdministrator();
    const made = await makeApiKey(app, admin);
    const path = `${PATH}/${made.id}`;
    expect((await as(app, admin).del(path)).status).toBe(204);
    const answers = [
      await change(admin, made, { name: 'New' }),
      await as(app, admin).post(`${path}/rotate`, {}),
      await as(app, admin).del(path),
    ];
    for (const res of answers) expect(errorOf(res)).toEqual([409, 'KEY_ENDED']);
  });
});

describe('rotating a key', () => {
  const rotate = (who: { token: string }, { id }: MadeKey, body: object = {}) =>
    as(app, who).post(`${PATH}/${id}/rotate`, body);
  const endOverlap = ({ id }: MadeKey) =>
    db.execute(
      sql`UPDATE api_keys SET previous_until = now() - interval '1 second' WHERE id = ${id}`,
    );

  it('gives a new key, and lets the one before work until the overlap ends', async () => {
    const admin = await seedAdministrator();
    const made = await makeApiKey(app, admin, { expiresInDays: 10 });
    const res = await rotate(admin, made, { expiresInDays: 20 });
    const { key, previousUntil, rotatedAt, expiresAt } = res.body;
    expect(Date.parse(previousUntil) - Date.parse(rotatedAt)).toBe(DAY_MS);
    expect((Date.parse(expiresAt) - Date.parse(rotatedAt)) / DAY_MS).toBeCloseTo(20, 5);
    expect([await works(made.key), await works(key)]).toEqual([true, true]);
    await endOverlap(made);
    expect([await works(made.key), await works(key)]).toEqual([false, true]);
    expect(await auditOf('API_KEY_ROTATED', admin.tenantId)).toMatchObject([
      { details: { overlapSec: 86_400, holder: admin.staffId, expiresAt } },
    ]);
  });

  it('without an overlap ends the one before at once', async () => {
    const admin = await seedAdministrator();
    const made = await makeApiKey(app, admin);
    const { key } = (await rotate(admin, made, { overlapSec: 0 })).body;
    expect([await works(made.key), await works(key)]).toEqual([false, true]);
  });

  it('does not prolong the one before past its own expiry, and ends the one before that', async () => {
    const admin = await seedAdministrator();
    const made = await makeApiKey(app, admin, { expiresInDays: 1 });
    const first = await rotate(admin, made, { overlapSec: 604_800 });
    expect(first.body.previousUntil).toBe(made.expiresAt);
    const second = await rotate(admin, made, { overlapSec: 604_800 });
    expect(await works(made.key)).toBe(false);
    expect(await works(String(first.body.key))).toBe(true);
    expect(await works(String(second.body.key))).toBe(true);
    await as(app, admin).del(`${PATH}/${made.id}`);
    expect(await works(String(first.body.key))).toBe(false);
    expect(await works(String(second.body.key))).toBe(false);
  });

  it('is for the holder alone, because the key acts in their name', async () => {
    const admin = await seedAdministrator();
    const peer = await seedAdministrator({ tenantId: admin.tenantId });
    const made = await makeApiKey(app, peer);
    expect(errorOf(await rotate(admin, made))).toEqual([403, 'KEY_HOLDER_ONLY']);
  });

  it('refuses an overlap of more than seven days', async () => {
    const admin = await seedAdministrator();
    const made = await makeApiKey(app, admin);
    expect((await rotate(admin, made, { overlapSec: 604_801 })).status).toBe(400);
  });

  it('twice at once leaves exactly one current key', async () => {
    const admin = await seedAdministrator();
    const made = await makeApiKey(app, admin);
    const [one, two] = await Promise.all([
      rotate(admin, made, { overlapSec: 0 }),
      rotate(admin, made, { overlapSec: 0 }),
    ]);
    expect([one.status, two.status]).toEqual([200, 200]);
    const live = [await works(String(one.body.key)), await works(String(two.body.key))];
    expect(live.filter(Boolean)).toHaveLength(1);
  });
});

describe('a rotation of the server key', () => {
  const { config } = seedSettings();
  const former = config.secrets.tokenHashKey;
  const secrets = {
    ...config.secrets,
    tokenHashKey: Buffer.from('the next key of this test, 32 by').toString('base64'),
    tokenHashRetiredKeys: [former],
  };
  const newest = createKeyRing(secrets).ids.tokenHash;

  it('keeps keys valid, and renews their hash at the next use once the new key is the newest', async () => {
    const admin = await seedAdministrator();
    const made = await makeApiKey(app, admin);
    const rotated = (await as(app, admin).post(`${PATH}/${made.id}/rotate`, {})).body;
    const next = buildApp({ secrets });
    const idsOf = async () => {
      const { rows } = await db.execute(
        sql`SELECT key_id, previous_key_id FROM api_keys WHERE id = ${made.id}`,
      );
      return Object.values(rows[0] ?? {});
    };
    const use = async () => {
      for (const key of [made.key, String(rotated.key)]) {
        const res = await withKey(next.app, key).get('/api/tenants/staff');
        expect(res.status).toBe(200);
        await next.deps.tenantKeys.settle();
      }
    };
    const before = deps.keys.ids.tokenHash;
    /** Returns what `keys status` counts as left under a key of the server. */
    const leftUnder = async (keyId: string) =>
      (await readKeyStatus(next.deps)).find((one) => one.keyId === keyId)?.left.programKeys;
    await db.execute(sql`INSERT INTO key_checks (setting, key_id, check_value, first_used_at)
      VALUES ('TOKEN_HASH_KEY', ${before}, '\\x00', now() - interval '1 day') ON CONFLICT DO NOTHING`);
    await use();
    expect(await idsOf()).toEqual([before, before]);
    expect(await leftUnder(before)).toBeGreaterThanOrEqual(2);
    await db.execute(sql`INSERT INTO key_checks (setting, key_id, check_value, first_used_at)
      VALUES ('TOKEN_HASH_KEY', ${newest}, '\\x00', now())`);
    try {
      await use();
      expect(await idsOf()).toEqual([newest, newest]);
      expect(await leftUnder(newest)).toBe(2);
      // The former key can go now.
      const alone = buildApp({ secrets: { ...secrets, tokenHashRetiredKeys: [] } });
      expect((await withKey(alone.app, made.key).get('/api/tenants/staff')).status).toBe(200);
    } finally {
      await db.execute(sql`DELETE FROM key_checks WHERE key_id = ${newest}`);
    }
  });
});

describe('the list of keys', () => {
  it('can be filtered and read page by page, and shows nothing of another tenant', async () => {
    const admin = await seedAdministrator();
    const peer = await seedAdministrator({ tenantId: admin.tenantId });
    await makeApiKey(app, await seedAdministrator());
    const made: MadeKey[] = [];
    for (const holder of [admin, admin, peer, admin]) made.push(await makeApiKey(app, holder));
    const ids = made.map(({ id }) => id).reverse();
    const list = async (query: string) => {
      const { body } = await as(app, admin).get(`${PATH}?${query}`);
      return {
        ids: (body.keys as { id: string }[]).map(({ id }) => id),
        next: body.nextCursor as string | null,
      };
    };
    const first = await list('limit=3');
    expect(first.ids).toEqual(ids.slice(0, 3));
    const rest = await list(`limit=3&cursor=${first.next}`);
    expect(rest).toEqual({ ids: ids.slice(3), next: null });
    expect((await list(`holder=${peer.staffId}`)).ids).toEqual([made[2]?.id]);
    await as(app, admin).del(`${PATH}/${made[0]?.id}`);
    await db.execute(
      sql`UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id = ${made[1]?.id}`,
    );
    expect((await list('status=revoked')).ids).toEqual([made[0]?.id]);
    expect((await list('status=expired')).ids).toEqual([made[1]?.id]);
    expect((await list('status=live')).ids).toEqual([made[3]?.id, made[2]?.id]);
  });
});
