import { sql } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { invitations } from '@/server/db/schema';
import { BUILT_IN_PERMISSIONS } from '@/server/permissions';
import { removeStaff } from '@/server/tenants';
import { auditOf } from '@/tests/helpers/database/authRows';
import { giveRoles, makeRole, seedAdministrator } from '@/tests/helpers/people/administrator';
import {
  GOOD_PASSWORD,
  INVITATIONS,
  accept,
  inviteByLink,
  makeOlder,
  newAddress,
  seedInvited,
  tokenOf,
} from '@/tests/helpers/people/invitationCalls';
import { as } from '@/tests/helpers/people/officer';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { openNode, operatorContext } from '@/tests/helpers/server/openNode';

const WEEK_SEC = 7 * 86_400;
const { app, deps } = openNode();

const byOperator = { via: 'operator' as const };
const preview = (token: string) => request(app).get(`/api/invitations/${token}`);
const refusalOf = (res: { status: number; body: { error?: string } }) => [
  res.status,
  res.body.error,
];
const NOT_FOUND = [404, 'NOT_FOUND'];

describe('inviting', () => {
  it('answers, also when it is sent again, with what the list shows, and the link', async () => {
    const administrator = await seedAdministrator();
    const body = { email: newAddress(), roles: ['member'], delivery: 'link' };
    const made = await as(app, administrator).post(INVITATIONS, body);
    const path = `${INVITATIONS}/${String(made.body.id)}`;
    const shown = async () => (await as(app, administrator).get(path)).body as object;
    const link = expect.any(String);
    expect(made.body).toEqual({ ...(await shown()), link });
    const again = await as(app, administrator).post(`${path}/resend`, {});
    expect(again.body).toEqual({ ...(await shown()), link });
    expect(again.body.invitedBy.email).toBe(administrator.email);
  });

  it('gives the link once, in the answer that creates it: no list, event or row holds it', async () => {
    const { administrator, invited } = await seedInvited(app, { ticket: 'HR-7' });
    expect(invited.link).toMatch(/\/invitation\/inv_[\w-]{43}$/);
    expect((await preview(invited.token)).status).toBe(200);
    const { tenantId } = administrator;
    const one = await as(app, administrator).get(`${INVITATIONS}/${invited.id}`);
    expect(one.body).toMatchObject({
      ...{ id: invited.id, email: invited.email, roles: ['member'], permissions: [] },
      ...{ delivery: 'link', status: 'open', staffId: null, ticket: 'HR-7' },
      invitedBy: { staffId: administrator.staffId, email: administrator.email },
    });
    const list = await as(app, administrator).get(INVITATIONS);
    expect(list.body.invitations).toEqual([one.body]);
    const [event] = await auditOf('INVITATION_CREATED', tenantId);
    expect(event).toMatchObject({
      ...{ actor: administrator.staffId, subject: `invitation:${invited.id}` },
      details: { roles: ['member'], gives: [], delivery: 'link', via: 'api', ticket: 'HR-7' },
    });
    const rows = await db.execute(sql`SELECT i::text FROM invitations i WHERE id = ${invited.id}`);
    const [row] = await db
      .select()
      .from(invitations)
      .where(sql`id = ${invited.id}`);
    for (const shown of [one.text, list.text, JSON.stringify(event), JSON.stringify(rows.rows)]) {
      expect(shown).not.toContain(invited.token);
    }
    for (const shown of [one.text, list.text, JSON.stringify(event)]) {
      expect(shown).not.toContain(row?.linkId);
      expect(shown).not.toContain('"link":');
    }
    expect(JSON.stringify(event)).not.toContain(invited.email);
  });

  it('needs TENANT_STAFF_MANAGE and a proof for each act', async () => {
    const body = { email: newAddress(), roles: ['member'], delivery: 'link' };
    const others = BUILT_IN_PERMISSIONS.filter((one) => one !== 'TENANT_STAFF_MANAGE');
    const viewer = await seedTestUserAndToken({ permissions: others });
    expect(refusalOf(await as(app, viewer).post(INVITATIONS, body))).toEqual([403, 'FORBIDDEN']);
    const administrator = await seedAdministrator();
    const { id } = await inviteByLink(app, administrator);
    const send = (path: string, content: object) =>
      request(app).post(path).set('authorization', `Bearer ${administrator.token}`).send(content);
    for (const path of [INVITATIONS, `${INVITATIONS}/${id}/resend`]) {
      expect(refusalOf(await send(path, path === INVITATIONS ? body : {}))).toEqual([
        428,
        'STEP_UP_REQUIRED',
      ]);
    }
  });

  it('gives nothing that the inviter does not hold, by a role or directly', async () => {
    const { tenantId } = await seedAdministrator();
    const lesser = await seedTestUserAndToken({ tenantId, permissions: ['TENANT_STAFF_MANAGE'] });
    const promises = [{ roles: ['owner'] }, { roles: [], permissions: ['SETTINGS_SECURITY_EDIT'] }];
    for (const promise of promises) {
      const body = { email: newAddress(), delivery: 'link', ...promise };
      const res = await as(app, lesser).post(INVITATIONS, body);
      expect(refusalOf(res)).toEqual([403, 'NOT_YOURS_TO_GIVE']);
    }
    await inviteByLink(app, lesser, { permissions: ['TENANT_STAFF_MANAGE'] });
  });

  it('refuses an unknown role and one of another tenant alike', async () => {
    const [mine, theirs] = [await seedAdministrator(), await seedAdministrator()];
    const foreign = await makeRole(app, theirs, 'Theirs', []);
    for (const role of ['no_such_role', foreign]) {
      const body = { email: newAddress(), roles: [role], delivery: 'link' };
      const res = await as(app, mine).post(INVITATIONS, body);
      expect(refusalOf(res)).toEqual([400, 'UNKNOWN_ROLE']);
      expect(res.body.detail).toContain('ids, which GET /api/tenants/roles lists');
    }
  });

  it('refuses a member of the tenant, active or disabled, in any spelling of the address', async () => {
    const administrator = await seedAdministrator();
    const { tenantId } = administrator;
    const member = await seedTestUserAndToken({ tenantId });
    const invite = () =>
      as(app, administrator).post(INVITATIONS, {
        ...{ email: ` ${member.email.toUpperCase()} `, roles: ['member'], delivery: 'link' },
      });
    expect(refusalOf(await invite())).toEqual([409, 'ALREADY_MEMBER']);
    await db.execute(sql`UPDATE tenant_staff SET status = 'disabled' WHERE id = ${member.staffId}`);
    expect(refusalOf(await invite())).toEqual([409, 'ALREADY_MEMBER']);
  });

  it('refuses a second open invitation of an address, and replaces an expired one', async () => {
    const { administrator, invited } = await seedInvited(app);
    const body = { email: invited.email, roles: ['member'], delivery: 'link' };
    const again = await as(app, administrator).post(INVITATIONS, body);
    expect(again.body).toMatchObject({ error: 'INVITATION_OPEN', invitationId: invited.id });
    const other = await seedAdministrator();
    await inviteByLink(app, other, { email: invited.email });
    await makeOlder(invited, WEEK_SEC);
    const replaced = await inviteByLink(app, administrator, { email: invited.email });
    expect(replaced.id).not.toBe(invited.id);
    expect(refusalOf(await preview(invited.token))).toEqual(NOT_FOUND);
    const { body: old } = await as(app, administrator).get(`${INVITATIONS}/${invited.id}`);
    expect(old).toMatchObject({ status: 'expired', revokedAt: null });
  });

  it('stops at 1,000 open invitations of a tenant', async () => {
    const { administrator } = await seedInvited(app);
    const { tenantId } = administrator;
    await db.execute(sql`INSERT INTO invitations (tenant_id, link_id, email, delivery, expires_at)
      SELECT ${tenantId}, gen_random_uuid(), 'many-' || n || '@example.com', 'link', now() + interval '90 days'
      FROM generate_series(1, 999) n`);
    const body = { email: newAddress(), roles: ['member'], delivery: 'link' };
    const res = await as(app, administrator).post(INVITATIONS, body);
    expect(refusalOf(res)).toEqual([409, 'TOO_MANY_INVITATIONS']);
  });

  it('waits for an approval of privileged permissions if the policy demands it', async () => {
    const administrator = await seedAdministrator();
    const { tenantId } = administrator;
    await db.execute(sql`UPDATE tenants SET needs_approval = true WHERE id = ${tenantId}`);
    const second = await seedAdministrator({ tenantId });
    const body = { email: newAddress(), roles: ['owner'], delivery: 'link' };
    const res = await as(app, administrator).post(INVITATIONS, body);
    expect([res.status, res.body.link]).toEqual([202, undefined]);
    expect(await auditOf('INVITATION_CREATED', tenantId)).toHaveLength(0);
    const approve = `/api/tenants/approvals/${res.body.approval.id}/approve`;
    expect((await as(app, administrator).post(approve, {})).status).toBe(403);
    expect((await as(app, second).post(approve, {})).status).toBe(200);
    const { body: list } = await as(app, administrator).get(INVITATIONS);
    const [{ id }] = list.invitations;
    const sent = await as(app, administrator).post(`${INVITATIONS}/${id}/resend`, {});
    const joiner = await seedTestUserAndToken({ email: body.email });
    const token = tokenOf(String(sent.body.link));
    expect((await accept(app, token, {}, joiner.token)).status).toBe(200);
    expect(await auditOf('STAFF_CREATED', tenantId)).toMatchObject([
      { details: { requestedBy: administrator.staffId, approvedBy: second.staffId } },
    ]);
    await inviteByLink(app, administrator);
  });
});

describe('the list', () => {
  it('shows each status, filters by it, and is read in pages without gaps', async () => {
    const administrator = await seedAdministrator();
    const expired = await inviteByLink(app, administrator);
    await makeOlder(expired, WEEK_SEC);
    const [open, revoked] = [
      await inviteByLink(app, administrator),
      await inviteByLink(app, administrator),
    ];
    await as(app, administrator).del(`${INVITATIONS}/${revoked.id}`).expect(204);
    const read = async (query: string) =>
      (await as(app, administrator).get(`${INVITATIONS}?${query}`)).body as {
        invitations: { id: string; status: string }[];
        nextCursor: string | null;
      };
    const all = await read('');
    expect(all.invitations.map(({ id, status }) => [id, status])).toEqual([
      [revoked.id, 'revoked'],
      [open.id, 'open'],
      [expired.id, 'expired'],
    ]);
    for (const { id, status } of all.invitations) {
      expect((await read(`status=${status}`)).invitations).toMatchObject([{ id }]);
    }
    expect((await read('status=accepted')).invitations).toEqual([]);
    const paged: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const page = await read(`limit=1${cursor === '' ? '' : `&cursor=${cursor}`}`);
      paged.push(...page.invitations.map(({ id }) => id));
      cursor = page.nextCursor;
    }
    expect(paged).toEqual(all.invitations.map(({ id }) => id));
    for (const bad of ['status=closed', 'limit=0', 'cursor=AAAA', 'statsu=open']) {
      expect((await as(app, administrator).get(`${INVITATIONS}?${bad}`)).status).toBe(400);
    }
  });
});

describe('sending again', () => {
  it('gives a new link and the full time, and ends the earlier link', async () => {
    const { administrator, invited } = await seedInvited(app);
    await makeOlder(invited, WEEK_SEC - 60);
    const path = `${INVITATIONS}/${invited.id}/resend`;
    const res = await as(app, administrator).post(path, {});
    expect(res.status).toBe(200);
    const link = String(res.body.link);
    expect(link).not.toBe(invited.link);
    expect(refusalOf(await preview(invited.token))).toEqual(NOT_FOUND);
    expect(refusalOf(await accept(app, invited.token, {}))).toEqual(NOT_FOUND);
    await makeOlder(invited, WEEK_SEC - 60);
    expect((await preview(tokenOf(link))).status).toBe(200);
    const events = await auditOf('INVITATION_RESENT', administrator.tenantId);
    expect(events).toMatchObject([{ details: { delivery: 'link', via: 'api' } }]);
    expect(JSON.stringify(events)).not.toContain(tokenOf(link));
  });

  it('opens an expired invitation again, but none that was revoked', async () => {
    const { administrator, invited } = await seedInvited(app);
    const path = `${INVITATIONS}/${invited.id}`;
    await makeOlder(invited, WEEK_SEC);
    expect(refusalOf(await preview(invited.token))).toEqual([410, 'INVITATION_EXPIRED']);
    const again = await as(app, administrator).post(`${path}/resend`, {});
    expect((await preview(tokenOf(String(again.body.link)))).status).toBe(200);
    await as(app, administrator).del(path).expect(204);
    const closed = await as(app, administrator).post(`${path}/resend`, {});
    expect(refusalOf(closed)).toEqual([409, 'INVITATION_CLOSED']);
    expect(refusalOf(await as(app, administrator).del(path))).toEqual([409, 'INVITATION_CLOSED']);
  });

  it('needs somebody who could have sent it', async () => {
    const { administrator, invited } = await seedInvited(app, { roles: ['owner'] });
    const { tenantId } = administrator;
    const lesser = await seedTestUserAndToken({ tenantId, permissions: ['TENANT_STAFF_MANAGE'] });
    const res = await as(app, lesser).post(`${INVITATIONS}/${invited.id}/resend`, {});
    expect(refusalOf(res)).toEqual([403, 'NOT_YOURS_TO_GIVE']);
    expect((await preview(invited.token)).status).toBe(200);
  });
});

describe('an invitation ends', () => {
  it('when it is revoked, recorded with the ticket of nobody else', async () => {
    const { administrator, invited } = await seedInvited(app);
    await as(app, administrator).del(`${INVITATIONS}/${invited.id}`).expect(204);
    expect(refusalOf(await preview(invited.token))).toEqual(NOT_FOUND);
    expect(refusalOf(await accept(app, invited.token, {}))).toEqual(NOT_FOUND);
    expect(await auditOf('INVITATION_REVOKED', administrator.tenantId)).toMatchObject([
      { subject: `invitation:${invited.id}`, details: { reason: 'revoked', via: 'api' } },
    ]);
  });

  it('when its inviter, or the invited person, is disabled or removed', async () => {
    const owner = await seedAdministrator();
    const { tenantId } = owner;
    const inviter = await seedAdministrator({ tenantId });
    const sent = await inviteByLink(app, inviter);
    const other = await inviteByLink(app, owner);
    await removeStaff(deps, operatorContext, { tenantId, staffId: inviter.staffId }, byOperator);
    expect(refusalOf(await preview(sent.token))).toEqual(NOT_FOUND);
    expect((await preview(other.token)).status).toBe(200);
    expect(await auditOf('INVITATION_REVOKED', tenantId)).toMatchObject([
      { subject: `invitation:${sent.id}`, details: { reason: 'inviter_left' } },
    ]);
  });

  it('when its tenant is suspended, until it is active again', async () => {
    const { administrator, invited } = await seedInvited(app);
    const set = (status: string) =>
      db.execute(sql`UPDATE tenants SET status = ${status}::tenant_status
        WHERE id = ${administrator.tenantId}`);
    await set('suspended');
    expect(refusalOf(await preview(invited.token))).toEqual(NOT_FOUND);
    await set('active');
    expect((await preview(invited.token)).status).toBe(200);
  });

  it('when its inviter no longer holds what it gives: 409 once, and then 404', async () => {
    const { administrator, invited } = await seedInvited(app, { roles: ['auditor'] });
    const { tenantId } = administrator;
    const joiner = await seedTestUserAndToken({ email: invited.email });
    await giveRoles(await seedTestUserAndToken({ tenantId }), 'owner');
    await db.execute(sql`UPDATE tenant_staff SET permissions = '{TENANT_STAFF_MANAGE}'
      WHERE id = ${administrator.staffId}`);
    const first = await accept(app, invited.token, {}, joiner.token);
    expect(refusalOf(first)).toEqual([409, 'INVITATION_NO_LONGER_VALID']);
    expect(refusalOf(await accept(app, invited.token, {}, joiner.token))).toEqual(NOT_FOUND);
    expect(await auditOf('INVITATION_REVOKED', tenantId)).toMatchObject([
      { actor: 'system', sessionId: null, details: { reason: 'not_valid' } },
    ]);
    expect(await auditOf('STAFF_CREATED', tenantId)).toHaveLength(0);
  });

  it('when its role was deleted', async () => {
    const administrator = await seedAdministrator();
    const role = await makeRole(app, administrator, 'Support', []);
    const invited = await inviteByLink(app, administrator, { roles: [role] });
    const joiner = await seedTestUserAndToken({ email: invited.email });
    await db.execute(sql`DELETE FROM tenant_roles WHERE id = ${role}`);
    const res = await accept(app, invited.token, {}, joiner.token);
    expect(refusalOf(res)).toEqual([409, 'INVITATION_NO_LONGER_VALID']);
  });
});

describe('the holder of a link', () => {
  it('learns the tenant and a masked address, and never whether the person exists', async () => {
    const administrator = await seedAdministrator();
    const known = await seedTestUserAndToken({ email: newAddress() });
    const answers = [];
    for (const email of [known.email, newAddress()]) {
      const { token } = await inviteByLink(app, administrator, { email });
      const shown = await preview(token);
      expect(shown.body).toMatchObject({ email: 'i…@example.com', needsCode: true });
      const noCode = await accept(app, token, { password: GOOD_PASSWORD });
      const wrong = await accept(app, token, { password: GOOD_PASSWORD, code: '000000' });
      const weak = await accept(app, token, { password: 'x', code: '000000' });
      const bodies = [shown, noCode, wrong, weak].map(({ status, body }) => {
        const { correlationId, expiresAt, ...same } = body as Record<string, unknown>;
        return [status, same, typeof correlationId, typeof expiresAt];
      });
      answers.push(bodies);
    }
    expect(answers[0]).toEqual(answers[1]);
    expect(answers[0]?.map(([status]) => status)).toEqual([200, 400, 403, 403]);
  });

  it('gets the same answer for every other link: unknown, forged, and of another purpose', async () => {
    const { invited } = await seedInvited(app);
    const { token } = invited;
    const flipped = `${token.slice(0, -2)}${token.endsWith('AA') ? 'BA' : 'AA'}`;
    const others = ['inv_', 'x', flipped, `ntc_${token.slice(4)}`, `${token}=`, `${token}A`];
    for (const other of others) {
      for (const res of [await preview(other), await accept(app, other, {})]) {
        expect(refusalOf(res)).toEqual(NOT_FOUND);
      }
    }
  });
});
