import { eq, sql } from 'drizzle-orm';
import { db } from '@/server/db';
import { tenantStaff } from '@/server/db/schema';
import { endOverImpersonations } from '@/server/impersonation';
import { disableStaff, forceLogout, removeStaff, suspendTenant } from '@/server/tenants';
import { auditOf } from '@/tests/helpers/database/authRows';
import { login, logout, me } from '@/tests/helpers/http/authCalls';
import {
  IMPERSONATION,
  impersonate,
  impersonationsOf,
  seedPair,
  setRules,
} from '@/tests/helpers/people/impersonators';
import type { Pair } from '@/tests/helpers/people/impersonators';
import {
  ELSEWHERE,
  OFFICE,
  OFFICE_RANGE,
  allow,
  from,
  setRules as setIpRules,
} from '@/tests/helpers/people/addressed';
import { as, seedOfficer } from '@/tests/helpers/people/officer';
import { openNode, operatorContext } from '@/tests/helpers/server/openNode';

const { app, deps } = openNode();
const other = openNode();
const operator = { via: 'operator', insists: true } as const;

/** Every way in which an impersonation ends without being stopped, with the recorded reason. */
const ENDS: Record<string, [reason: string, end: (pair: Pair) => Promise<unknown>]> = {
  "the actor's logout": ['actor_signed_out', ({ actor }) => logout(app, actor.token)],
  "the actor's logout by the refresh token": [
    'actor_signed_out',
    ({ actor }) => as(app, { token: '' }).post('/api/auth/logout', actor),
  ],
  "the actor's logout on all devices": [
    'actor_signed_out',
    ({ actor }) => as(app, actor).post('/api/auth/logout-all', {}),
  ],
  'a force logout of the actor': [
    'actor_forced_out',
    ({ actor }) => forceLogout(deps, operatorContext, actor.tenantId, actor.staffId),
  ],
  'a disabling of the actor': [
    'actor_disabled',
    ({ actor }) => disableStaff(deps, operatorContext, actor, operator),
  ],
  'a removal of the actor': [
    'actor_disabled',
    ({ actor }) => removeStaff(deps, operatorContext, actor, operator),
  ],
  'a loss of the permission to impersonate': [
    'permission_taken',
    ({ actor }) =>
      db
        .update(tenantStaff)
        .set({ permissions: ['TENANT_STAFF_VIEW'] })
        .where(eq(tenantStaff.id, actor.staffId)),
  ],
  'a disabling of the subject': [
    'subject_disabled',
    ({ subject }) => disableStaff(deps, operatorContext, subject, operator),
  ],
  'a removal of the subject': [
    'subject_disabled',
    ({ subject }) => removeStaff(deps, operatorContext, subject, operator),
  ],
  'a force logout of the subject': [
    'subject_sessions_ended',
    ({ subject }) => forceLogout(deps, operatorContext, subject.tenantId, subject.staffId),
  ],
  'a suspension of the tenant': [
    'tenant_closed',
    ({ actor }) => suspendTenant(deps, operatorContext, actor),
  ],
  'a policy that allows none': [
    'policy_changed',
    ({ actor }) => setRules(app, actor.tenantId, { mode: 'off' }),
  ],
  'a policy that allows none, written by SQL': [
    'policy_changed',
    ({ actor }) =>
      db.execute(
        sql`INSERT INTO impersonation_policies (tenant_id, mode) VALUES (${actor.tenantId}, 'off')`,
      ),
  ],
};

it.each(Object.keys(ENDS))(
  '%s refuses the next request on both nodes, and is recorded once with its reason',
  async (name) => {
    const [reason, end] = ENDS[name] ?? ['', () => Promise.resolve()];
    const pair = await seedPair();
    const { tenantId, staffId } = pair.actor;
    const { id, token } = await impersonate(app, pair);
    for (const node of [app, other.app]) expect((await me(node, token)).status).toBe(200);
    await end(pair);
    for (const node of [app, other.app]) expect((await me(node, token)).status).toBe(401);
    await Promise.all([deps, other.deps, deps, other.deps].map(endOverImpersonations));
    expect(await auditOf('IMPERSONATION_ENDED', tenantId)).toMatchObject([
      {
        ...{ actor: staffId, onBehalfOf: pair.subject.staffId, subject: `impersonation:${id}` },
        details: {
          ...{ end: reason, reason: 'To see what they see', scope: 'read_only', consent: 'told' },
          opened: [{ route: 'GET /api/auth/me', times: 2 }],
          refused: [],
        },
      },
    ]);
    expect(await impersonationsOf(tenantId)).toMatchObject([{ id, endReason: reason }]);
  },
);

it('ends when its token is carried outside the allowed network, on every node and for good', async () => {
  const pair = await seedPair();
  const { tenantId, staffId } = pair.actor;
  const { id, token } = await impersonate(app, pair);
  const officer = await seedOfficer({ tenantId });
  await setIpRules(app, officer, [allow(OFFICE_RANGE)]);
  const at = (address: string, node = app) => from(node, { token }, address).get('/api/auth/me');
  expect((await at(OFFICE)).status).toBe(200);
  const outside = await at(ELSEWHERE);
  expect([outside.status, outside.body.error]).toEqual([403, 'IP_BLOCKED']);
  for (const node of [app, other.app]) expect((await at(OFFICE, node)).status).toBe(401);
  await endOverImpersonations(deps);
  const both = { actor: staffId, onBehalfOf: pair.subject.staffId };
  expect(await auditOf('IP_RULE_BLOCKED', tenantId)).toMatchObject([
    { ...both, details: { address: ELSEWHERE, impersonationId: id } },
  ]);
  expect(await auditOf('IMPERSONATION_ENDED', tenantId)).toMatchObject([
    { ...both, details: { end: 'address_refused' } },
  ]);
});

it('ends after its minutes, at that moment, and no token prolongs it', async () => {
  const aged = openNode();
  const pair = await seedPair();
  const { token } = await impersonate(aged.app, pair, { minutes: 2 });
  aged.clock.advance(100);
  const again = await as(aged.app, pair.actor).post(`${IMPERSONATION}/token`, {});
  expect(again.status).toBe(200);
  expect(again.body.expiresIn).toBeLessThanOrEqual(21);
  aged.clock.advance(21);
  for (const late of [token, String(again.body.accessToken)]) {
    expect((await me(aged.app, late)).status).toBe(401);
  }
  expect((await as(aged.app, pair.actor).post(`${IMPERSONATION}/token`, {})).status).toBe(404);
  await endOverImpersonations(aged.deps);
  expect(await auditOf('IMPERSONATION_ENDED', pair.actor.tenantId)).toMatchObject([
    { details: { end: 'expired', seconds: 120 } },
  ]);
});

it('goes on while nothing has ended it, whatever else happens', async () => {
  const pair = await seedPair();
  const { token } = await impersonate(app, pair);
  const own = await login(app, pair.subject);
  await logout(app, own.body.accessToken);
  await logout(app, pair.subject.token);
  await endOverImpersonations(deps);
  expect((await me(app, token)).status).toBe(200);
  expect(await auditOf('IMPERSONATION_ENDED', pair.actor.tenantId)).toEqual([]);
});

it('is ended for a later start if it is over and no turn has found it yet', async () => {
  const pair = await seedPair();
  await impersonate(app, pair);
  await logout(app, pair.actor.token);
  const again = await login(app, pair.actor);
  await impersonate(app, { ...pair, actor: { ...pair.actor, token: again.body.accessToken } });
  expect(await impersonationsOf(pair.actor.tenantId)).toMatchObject([
    { endReason: 'actor_signed_out' },
    { endReason: null },
  ]);
});

it('is renewed by the session that has begun it, and by no other one of the actor', async () => {
  const pair = await seedPair();
  await impersonate(app, pair);
  const elsewhere = await login(app, pair.actor);
  const renew = (token: string) => as(app, { token }).post(`${IMPERSONATION}/token`, {});
  const theirs = await renew(elsewhere.body.accessToken);
  const detail = expect.stringContaining('began in this session') as unknown;
  expect(theirs).toMatchObject({ status: 404, body: { detail } });
  const renewed = await renew(pair.actor.token);
  expect(renewed.status).toBe(200);
  expect((await me(app, renewed.body.accessToken)).status).toBe(200);
});

describe('stopping', () => {
  it.each(['the own token', 'the token of the impersonation'])(
    'with %s ends it with what was done, and the own session goes on',
    async (which) => {
      const pair = await seedPair();
      const { id, token } = await impersonate(app, pair);
      await as(app, { token }).get('/api/tenants/staff').expect(200);
      await as(app, { token }).post('/api/auth/logout-all', {}).expect(403);
      const by = which === 'the own token' ? pair.actor : { token };
      const stopped = await as(app, by).post(`${IMPERSONATION}/stop`, {});
      expect(stopped.status).toBe(200);
      const opened = [{ route: 'GET /api/tenants/staff', times: 1 }];
      const stop = { route: `POST ${IMPERSONATION}/stop`, times: 1 };
      const refused = [{ route: 'POST /api/auth/logout-all', times: 1 }];
      const all = which === 'the own token' ? opened : [...opened, stop];
      expect(stopped.body).toMatchObject({ id, opened: all, refused });
      expect((await me(app, token)).status).toBe(401);
      expect((await me(app, pair.actor.token)).status).toBe(200);
      expect(await auditOf('IMPERSONATION_ENDED', pair.actor.tenantId)).toMatchObject([
        { actor: pair.actor.staffId, details: { end: 'stopped', opened: all, refused } },
      ]);
      const again = await as(app, pair.actor).post(`${IMPERSONATION}/stop`, {});
      const nobody = { detail: 'You act as nobody at the moment.' };
      expect(again).toMatchObject({ status: 404, body: nobody });
    },
  );

  it('raced with starts over two nodes leaves one at most, and an end for each that is over', async () => {
    const pair = await seedPair();
    const { tenantId } = pair.actor;
    for (let round = 0; round < 5; round += 1) {
      const turns = Array.from({ length: 6 }, (_, at) => (at % 2 ? app : other.app));
      await Promise.all(
        turns.flatMap((node) => [
          impersonate(node, pair).catch(() => undefined),
          as(node, pair.actor).post(`${IMPERSONATION}/stop`, {}),
        ]),
      );
      const rows = await impersonationsOf(tenantId);
      const running = rows.filter(({ endedAt }) => endedAt === null);
      expect(running.length).toBeLessThanOrEqual(1);
      const [started, ended] = [
        await auditOf('IMPERSONATION_STARTED', tenantId),
        await auditOf('IMPERSONATION_ENDED', tenantId),
      ];
      expect([started.length, ended.length]).toEqual([rows.length, rows.length - running.length]);
    }
  });
});
