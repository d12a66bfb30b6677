import { sql } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { deleteTenant, forceLogout, removeStaff } from '@/server/tenants';
import { auditOf, withoutTable } from '@/tests/helpers/database/authRows';
import { login, logout, refresh } from '@/tests/helpers/http/authCalls';
import { openMailNode } from '@/tests/helpers/mail/mailNode';
import { startMailServer } from '@/tests/helpers/mail/mailServer';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import { as } from '@/tests/helpers/people/officer';
import { makeApiKey, withKey } from '@/tests/helpers/people/programs';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app, deps } = buildApp();
const other = buildApp();

const worksFor = async (key: string) => {
  const res = await withKey(other.app, key).get('/api/tenants/staff');
  return res.status === 200;
};

/** A member with a session of their own and one that somebody else opened, and a key from each. */
async function shared() {
  const owner = await seedAdministrator();
  const thief = (await login(app, owner)).body as { accessToken: string; refreshToken: string };
  const { key: own } = await makeApiKey(app, owner);
  const { key: stolen, id } = await makeApiKey(app, { token: thief.accessToken });
  return { owner, thief, own, stolen, id };
}

const revocations = async (tenantId: string) =>
  (await auditOf('API_KEY_REVOKED', tenantId)).map(({ subject, details }) => [
    subject,
    details['reason'],
  ]);

describe('a key whose text was issued in a session', () => {
  it('ends with it if an administrator ends that session, and other keys stay', async () => {
    const { owner, own, stolen, id, thief } = await shared();
    const sid = deps.accessTokens.read(thief.accessToken).sid;
    const boss = await seedAdministrator({ tenantId: owner.tenantId });
    const path = `/api/tenants/staff/${owner.staffId}/sessions/${sid}`;
    expect((await as(app, boss).del(path)).status).toBe(204);
    expect([await worksFor(own), await worksFor(stolen)]).toEqual([true, false]);
    expect(await revocations(owner.tenantId)).toEqual([[`api-key:${id}`, 'forced_end']]);
  });

  it('ends with it if all sessions are ended by force, also a key of an older session that was rotated in it', async () => {
    const { owner, own, stolen, thief } = await shared();
    const old = await makeApiKey(app, owner);
    // The session in which it was created ended long ago, without force.
    await db.execute(
      sql`UPDATE api_keys SET issued_session_id = gen_random_uuid() WHERE id = ${old.id}`,
    );
    const untouched = await makeApiKey(app, owner);
    await db.execute(
      sql`UPDATE api_keys SET issued_session_id = gen_random_uuid() WHERE id = ${untouched.id}`,
    );
    const rotated = await as(app, { token: thief.accessToken }).post(
      `/api/tenants/api-keys/${old.id}/rotate`,
      {},
    );
    expect(rotated.status).toBe(200);
    await forceLogout(deps, operatorContext, owner.tenantId, owner.staffId);
    const keys = [own, stolen, old.key, String(rotated.body.key), untouched.key];
    expect(await Promise.all(keys.map(worksFor))).toEqual([false, false, false, false, true]);
  });

  it('ends with it also after another session has rotated it, while that text is valid', async () => {
    const { owner, own, stolen, thief } = await shared();
    const kept = await makeApiKey(app, owner);
    const rotate = async (who: { token: string }, id: string, overlapSec: number) =>
      (await as(app, who).post(`/api/tenants/api-keys/${id}/rotate`, { overlapSec })).body;
    const ofThief = await rotate({ token: thief.accessToken }, kept.id, 600);
    const ofOwner = await rotate(owner, kept.id, 600);
    const ended = await makeApiKey(app, owner);
    const next = await rotate(owner, ended.id, 0);
    expect(await worksFor(ofThief.key)).toBe(true);
    const boss = await seedAdministrator({ tenantId: owner.tenantId });
    const sid = deps.accessTokens.read(thief.accessToken).sid;
    const path = `/api/tenants/staff/${owner.staffId}/sessions/${sid}`;
    expect((await as(app, boss).del(path)).status).toBe(204);
    const keys = [ofThief.key, ofOwner.key, stolen, own, next.key];
    expect(await Promise.all(keys.map(worksFor))).toEqual([false, false, false, true, true]);
  });

  it('ends if its refresh token is used again', async () => {
    const { thief, stolen, id, owner } = await shared();
    expect((await refresh(app, thief.refreshToken)).status).toBe(200);
    const reused = await refresh(app, thief.refreshToken);
    expect(reused.body).toEqual({ error: 'FORCE_LOGOUT', reason: 'reuse_detected' });
    expect(await worksFor(stolen)).toBe(false);
    expect(await revocations(owner.tenantId)).toContainEqual([`api-key:${id}`, 'forced_end']);
  });

  it('outlives a session that its owner signed out of, or that they ended in their list', async () => {
    const { own, owner, thief, stolen } = await shared();
    expect((await logout(app, owner.token)).status).toBe(204);
    expect(await worksFor(own)).toBe(true);
    const sid = deps.accessTokens.read(thief.accessToken).sid;
    const { accessToken } = (await login(app, owner)).body;
    await as(app, { token: accessToken }).del(`/api/auth/sessions/${sid}`).expect(204);
    expect(await worksFor(stolen)).toBe(true);
  });

  it('ends with a report of a compromise although the thief has signed out, if it was issued since', async () => {
    const { owner, own, stolen, thief } = await shared();
    await logout(app, thief.accessToken);
    await db.execute(
      sql`UPDATE api_keys SET created_at = now() - interval '3 days', issued_session_id = gen_random_uuid()
        WHERE staff_id = ${owner.staffId} AND issued_session_id = ${owner.sessionId}`,
    );
    const compromise = { since: new Date(Date.now() - 86_400_000), expirePassword: false };
    await forceLogout(deps, operatorContext, owner.tenantId, owner.staffId, compromise);
    expect([await worksFor(own), await worksFor(stolen)]).toEqual([true, false]);
  });

  it('ends by the button of the mail about the key, on every node', async () => {
    const server = await startMailServer();
    const node = openMailNode(server);
    const owner = await seedAdministrator();
    const { key, name } = await makeApiKey(node.app, owner);
    await node.deps.mail.settle();
    const mail = server.received.find(({ headers }) =>
      (headers.get('subject') ?? '').startsWith('An API key was created'),
    );
    expect(mail?.to).toContain(owner.email);
    expect(mail?.text).toContain(name);
    expect(mail?.text).not.toContain('ghk_');
    const link = /https:\/\/id\.example(\/\S+)/.exec(mail?.text ?? '')?.[1] ?? '';
    expect(await worksFor(key)).toBe(true);
    await request(node.app).post(link).expect(200);
    expect(await worksFor(key)).toBe(false);
  });

  it('ends if nobody can say which sessions are live, because their table is missing', async () => {
    const { owner, own, stolen } = await shared();
    await withoutTable('user_sessions', async () => {
      await deps.schemaGuard.check();
      await forceLogout(deps, operatorContext, owner.tenantId, owner.staffId);
    });
    await deps.schemaGuard.check();
    expect([await worksFor(own), await worksFor(stolen)]).toEqual([false, false]);
  });
});

describe('the keys of somebody who leaves', () => {
  it('are revoked in the transaction that removes them, and rejoining brings none back', async () => {
    const boss = await seedAdministrator();
    const leaver = await seedAdministrator({ tenantId: boss.tenantId });
    const { key: kept } = await makeApiKey(app, boss);
    const { key, id } = await makeApiKey(app, leaver);
    const who = { tenantId: leaver.tenantId, staffId: leaver.staffId };
    await removeStaff(deps, operatorContext, who, { via: 'operator' });
    expect([await worksFor(kept), await worksFor(key)]).toEqual([true, false]);
    expect(await revocations(boss.tenantId)).toEqual([[`api-key:${id}`, 'holder_left']]);
    await db.execute(sql`UPDATE tenant_staff SET status = 'active', permissions = '{TENANT_STAFF_VIEW}'
      WHERE id = ${leaver.staffId}`);
    expect(await worksFor(key)).toBe(false);
  });

  it('and of a deleted tenant are revoked, and counted in its event', async () => {
    const owner = await seedAdministrator();
    const { key, id } = await makeApiKey(app, owner);
    await deleteTenant(deps, operatorContext, owner);
    expect(await worksFor(key)).toBe(false);
    expect(await revocations(owner.tenantId)).toEqual([[`api-key:${id}`, 'tenant_deleted']]);
    expect(await auditOf('TENANT_DELETED', owner.tenantId)).toMatchObject([
      { details: { apiKeys: 1 } },
    ]);
  });
});
