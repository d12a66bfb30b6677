import request from 'supertest';
import { eq } from 'drizzle-orm';
import { db } from '@/server/db';
import { tenantStaff } from '@/server/db/schema';
import { BUILT_IN_PERMISSIONS } from '@/server/permissions';
import { auditOf, setStaffStatus, setUserStatus } from '@/tests/helpers/database/authRows';
import { login, me } from '@/tests/helpers/http/authCalls';
import {
  IMPERSONATION,
  ask,
  impersonate,
  impersonationsOf,
  seedPair,
  setRules,
} from '@/tests/helpers/people/impersonators';
import { as } from '@/tests/helpers/people/officer';
import { openNode } from '@/tests/helpers/server/openNode';
import { codeAt, giveFactor } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';

const { app, deps } = openNode();
const other = openNode();

const setPermissions = (staffId: string, permissions: string[]) =>
  db.update(tenantStaff).set({ permissions }).where(eq(tenantStaff.id, staffId));

describe('the start of an impersonation', () => {
  it('answers with a token for the subject that names the actor, and both are in its event', async () => {
    const { actor, subject } = await seedPair();
    const res = await ask(app, { actor, subject }, { ticket: 'HELP-7', minutes: 5 });
    expect(res.status).toBe(201);
    expect(res.body).toMatchObject({
      impersonation: {
        subject: { staffId: subject.staffId, email: subject.email },
        ...{ scope: 'read_only', consent: 'told' },
      },
      tokenType: 'Bearer',
    });
    expect(res.body).not.toHaveProperty('refreshToken');
    const { id } = res.body.impersonation as { id: string };
    expect(deps.accessTokens.read(res.body.accessToken)).toMatchObject({
      ...{ sub: subject.userId, tid: subject.tenantId, sid: id, sv: 1 },
      act: { sub: actor.userId, staff_id: actor.staffId, sid: actor.sessionId },
    });
    const seen = await me(app, res.body.accessToken);
    expect(seen.body).toMatchObject({
      ...{ staffId: subject.staffId, roles: [], permissions: ['TENANT_STAFF_VIEW'] },
      impersonation: { id, scope: 'read_only', actor: { staffId: actor.staffId } },
    });
    expect(await auditOf('IMPERSONATION_STARTED', actor.tenantId)).toMatchObject([
      {
        ...{ actor: actor.staffId, onBehalfOf: subject.staffId, sessionId: actor.sessionId },
        subject: `impersonation:${id}`,
        details: {
          ...{ reason: 'To see what they see', ticket: 'HELP-7', scope: 'read_only' },
          ...{ consent: 'told', minutes: 5 },
        },
      },
    ]);
  });

  it('needs a fresh proof for impersonation, which opens this one act once', async () => {
    const pair = await seedPair();
    const factor = await giveFactor(pair.actor);
    const body = { staffId: pair.subject.staffId, reason: 'To look at it' };
    const start = (more: object = {}) =>
      request(app)
        .post(`${IMPERSONATION}/start`)
        .set('authorization', `Bearer ${pair.actor.token}`)
        .send({ ...body, ...more });
    const asked = await start();
    expect([asked.status, asked.body.purpose]).toEqual([428, 'impersonation']);
    const verified = await request(app)
      .post('/api/security/step-up/verify')
      .set('authorization', `Bearer ${pair.actor.token}`)
      .send({
        ...{ code: codeAt(factor, new Date()), purpose: 'impersonation' },
        challengeId: asked.body.challengeId,
      });
    expect(verified.status).toBe(200);
    expect((await start({ minutes: 5 })).status).toBe(428);
    expect((await start()).status).toBe(201);
    await as(app, pair.actor).post(`${IMPERSONATION}/stop`, {}).expect(200);
    expect((await start()).status).toBe(428);
  });

  it('is refused for somebody of another tenant, exactly as for nobody', async () => {
    const { actor } = await seedPair();
    const stranger = await seedTestUserAndToken();
    expect((await ask(app, { actor, subject: stranger })).status).toBe(404);
    expect(await impersonationsOf(actor.tenantId)).toEqual([]);
  });

  it('is allowed exactly if the subject holds nothing that the actor lacks, for every pair of sets', async () => {
    const names = BUILT_IN_PERMISSIONS.filter((one) => one !== 'IMPERSONATE').slice(0, 3);
    const all = [...names, 'IMPERSONATE'];
    const sets = Array.from({ length: 2 ** all.length }, (_, bits) =>
      all.filter((_name, at) => bits & (1 << at)),
    );
    const { actor, subject } = await seedPair();
    const wrong: unknown[] = [];
    for (const ofActor of sets.filter((set) => set.includes('IMPERSONATE'))) {
      for (const ofSubject of sets) {
        await setPermissions(actor.staffId, ofActor);
        await setPermissions(subject.staffId, ofSubject);
        const node = ofSubject.length % 2 ? app : other.app;
        const { status, body } = await ask(node, { actor, subject });
        const may = ofSubject.every((one) => ofActor.includes(one));
        const outcome = [status, body.refusal];
        const wanted = may ? [201, undefined] : [403, 'subject_holds_more'];
        if (outcome.join() !== wanted.join()) wrong.push({ ofActor, ofSubject, outcome });
        if (status === 201) await as(app, actor).post(`${IMPERSONATION}/stop`, {}).expect(200);
      }
    }
    expect(wrong).toEqual([]);
  });

  it.each(['disabled user', 'disabled member'])('is refused as a %s', async (who) => {
    const pair = await seedPair();
    if (who === 'disabled user') await setUserStatus(pair.subject.userId, 'disabled');
    else await setStaffStatus(pair.subject.staffId, 'disabled');
    const res = await ask(app, pair);
    expect([res.status, res.body.refusal]).toEqual([403, 'subject_inactive']);
  });

  it('is refused as oneself, and each refusal names both people in its event', async () => {
    const { actor } = await seedPair();
    const res = await ask(app, { actor, subject: actor });
    expect([res.status, res.body.error, res.body.refusal]).toEqual([
      ...[403, 'IMPERSONATION_REFUSED', 'self'],
    ]);
    expect(await auditOf('IMPERSONATION_REFUSED', actor.tenantId)).toMatchObject([
      {
        ...{ outcome: 'denied', actor: actor.staffId, onBehalfOf: actor.staffId },
        details: { refusal: 'self', repeated: 0 },
      },
    ]);
  });

  it('of one actor succeeds once of twenty at the same time over two nodes', async () => {
    const pair = await seedPair();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, at) => ask(at % 2 ? app : other.app, pair)),
    );
    const outcomes = answers.map(({ status, body }) => `${status} ${String(body.refusal ?? '')}`);
    expect(outcomes.toSorted()).toEqual(['201 ', ...Array<string>(19).fill('403 running')]);
    expect(await impersonationsOf(pair.actor.tenantId)).toHaveLength(1);
  });

  it('is refused in an impersonation, in both scopes', async () => {
    const pair = await seedPair(['TENANT_STAFF_VIEW'], ['IMPERSONATE']);
    await setRules(app, pair.actor.tenantId, { mode: 'full' });
    for (const scope of ['read_only', 'full']) {
      const { token } = await impersonate(app, pair, { scope });
      const third = await seedTestUserAndToken({ tenantId: pair.actor.tenantId });
      const nested = await ask(app, { actor: { ...pair.actor, token }, subject: third });
      expect([nested.status, nested.body.refusal]).toEqual([403, 'route']);
      await as(app, { token }).post(`${IMPERSONATION}/stop`, {}).expect(200);
    }
  });

  it('does not count toward the sessions of the subject, who signs in as before', async () => {
    const pair = await seedPair();
    const { token } = await impersonate(app, pair);
    const own = await login(app, pair.subject);
    expect(own.status).toBe(200);
    expect((await me(app, own.body.accessToken)).body).not.toHaveProperty('impersonation');
    const list = await as(app, { token: own.body.accessToken }).get('/api/auth/sessions');
    expect(list.body.sessions).toHaveLength(2);
    expect((await me(app, token)).status).toBe(200);
  });
});

describe('the rules of a tenant', () => {
  it.each([
    ['off', { mode: 'off' }, {}, 'policy'],
    ['read only', {}, { scope: 'full' }, 'scope'],
    ['at most ten minutes', { maxMinutes: 10 }, { minutes: 11 }, 'too_long'],
    ['with a ticket', { ticketRequired: true }, {}, 'ticket_missing'],
    ['with a consent', { consent: 'required' }, {}, 'consent_missing'],
  ])('refuse a start that is not %s', async (_name, rules, more, refusal) => {
    const pair = await seedPair();
    await setRules(app, pair.actor.tenantId, rules);
    const res = await ask(app, pair, more);
    expect([res.status, res.body.refusal]).toEqual([403, refusal]);
  });

  it('are changed by one of two administrators at the same time', async () => {
    const { actor } = await seedPair();
    const change = () => setRules(app, actor.tenantId, { mode: 'off' });
    const results = await Promise.allSettled([change(), change()]);
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(await auditOf('IMPERSONATION_POLICY_CHANGED', actor.tenantId)).toMatchObject([
      { details: { version: 1, before: { mode: 'read_only' }, after: { mode: 'off' } } },
    ]);
  });

  it('allow no more than 60 minutes, and a start asks for no more either', async () => {
    const pair = await seedPair();
    await expect(setRules(app, pair.actor.tenantId, { maxMinutes: 61 })).rejects.toThrow('400');
    expect((await ask(app, pair, { minutes: 61 })).status).toBe(400);
  });
});
