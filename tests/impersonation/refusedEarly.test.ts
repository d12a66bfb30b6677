import request from 'supertest';
import { endOverImpersonations } from '@/server/impersonation';
import { auditOf, challengesOf } from '@/tests/helpers/database/authRows';
import {
  IMPERSONATION,
  ask,
  impersonate,
  impersonationsOf,
  seedPair,
  setRules,
} from '@/tests/helpers/people/impersonators';
import type { Pair } from '@/tests/helpers/people/impersonators';
import { as } from '@/tests/helpers/people/officer';
import { openNode } from '@/tests/helpers/server/openNode';
import { codeAt, giveFactor } from '@/tests/helpers/stepUp/secondFactor';

const { app, deps } = openNode();
const REASON = 'To look at it';

/** Asks to act as a member, without any proof. */
const askUnproven = ({ actor, subject }: Pair, more: object = {}) =>
  request(app)
    .post(`${IMPERSONATION}/start`)
    .set('authorization', `Bearer ${actor.token}`)
    .send({ staffId: subject.staffId, reason: REASON, ...more });

describe('a start that no proof could open', () => {
  it.each([
    ['a policy that is off', { mode: 'off' }, {}, 'policy'],
    ['more than the policy allows', {}, { scope: 'full' }, 'scope'],
    ['too many minutes', { maxMinutes: 5 }, { minutes: 6 }, 'too_long'],
    ['no ticket', { ticketRequired: true }, {}, 'ticket_missing'],
  ])('for %s is refused before a proof is asked for', async (_name, rules, more, refusal) => {
    const pair = await seedPair();
    await giveFactor(pair.actor);
    await setRules(app, pair.actor.tenantId, rules);
    const res = await askUnproven(pair, more);
    expect([res.status, res.body.refusal]).toEqual([403, refusal]);
    expect(await challengesOf(pair.actor.staffId)).toEqual([]);
    expect(await auditOf('IMPERSONATION_REFUSED', pair.actor.tenantId)).toMatchObject([
      {
        ...{ actor: pair.actor.staffId, onBehalfOf: pair.subject.staffId },
        ...{ sessionId: pair.actor.sessionId, details: { refusal } },
      },
    ]);
  });

  it('as oneself, while another one runs, as nobody, or with input that is wrong, asks for none either', async () => {
    const pair = await seedPair();
    const { actor } = pair;
    await giveFactor(actor);
    expect((await askUnproven({ actor, subject: actor })).body.refusal).toBe('self');
    const nobody = { ...pair.subject, staffId: actor.tenantId };
    expect((await askUnproven({ actor, subject: nobody })).status).toBe(404);
    expect((await askUnproven(pair, { minutes: 61 })).status).toBe(400);
    await impersonate(app, pair);
    expect((await askUnproven(pair)).body.refusal).toBe('running');
    expect(await challengesOf(actor.staffId)).toEqual([]);
  });

  it('tells nothing about what the subject holds or allows before the proof', async () => {
    const pair = await seedPair([], ['TENANT_STAFF_VIEW']);
    await giveFactor(pair.actor);
    await setRules(app, pair.actor.tenantId, { consent: 'required' });
    expect((await askUnproven(pair)).status).toBe(428);
    expect((await ask(app, pair)).body.refusal).toBe('subject_holds_more');
  });

  it('is not kept back by one that is over and was not ended yet', async () => {
    const pair = await seedPair();
    await giveFactor(pair.actor);
    await impersonate(app, pair);
    await as(app, pair.subject).post('/api/auth/logout-all', {}).expect(204);
    expect((await askUnproven(pair)).status).toBe(428);
    await endOverImpersonations(deps);
    expect((await askUnproven(pair)).status).toBe(428);
  });
});

it('a start that is refused after the proof does not use it up', async () => {
  const pair = await seedPair();
  const { actor, subject } = pair;
  const secret = await giveFactor(actor);
  await setRules(app, actor.tenantId, { consent: 'required' });
  const { challengeId } = (await askUnproven(pair)).body as { challengeId: string };
  const code = codeAt(secret, deps.clock.now());
  await request(app)
    .post('/api/security/step-up/verify')
    .set('authorization', `Bearer ${actor.token}`)
    .send({ code, purpose: 'impersonation', challengeId })
    .expect(200);
  expect((await askUnproven(pair)).body.refusal).toBe('consent_missing');
  const until = new Date(deps.clock.now().getTime() + 3_600_000).toISOString();
  await as(app, subject).put('/api/auth/me/impersonation-consent', { until }).expect(200);
  expect((await askUnproven(pair)).status).toBe(201);
});

describe('the reason of a start', () => {
  it.each([
    ['one letter', 'x'],
    ['nine letters', 'ninechars'],
    ['spaces around one letter', `${' '.repeat(20)}x${' '.repeat(20)}`],
    ['characters that nobody sees', '\u200b\u00a0\u2060'.repeat(20)],
    ['lines without text', '\n'.repeat(20)],
  ])('cannot be %s', async (_name, reason) => {
    const pair = await seedPair();
    const res = await ask(app, pair, { reason });
    expect([res.status, res.body.error]).toEqual([400, 'INVALID_INPUT']);
    expect(res.body.issues).toMatchObject([{ path: 'reason' }]);
    expect(await impersonationsOf(pair.actor.tenantId)).toEqual([]);
  });

  it('is recorded without the spaces around it', async () => {
    const pair = await seedPair();
    await impersonate(app, pair, { reason: ' \n ten chars.\u200b ' });
    const [row] = await impersonationsOf(pair.actor.tenantId);
    expect(row?.reason).toBe('ten chars.');
  });
});

it('a member whose id is sent in capitals is the same one in every event', async () => {
  const pair = await seedPair();
  const { actor, subject } = pair;
  const loud = { actor, subject: { ...subject, staffId: subject.staffId.toUpperCase() } };
  expect((await ask(app, loud, { scope: 'full' })).body.refusal).toBe('scope');
  expect((await ask(app, pair, { scope: 'full' })).body.refusal).toBe('scope');
  const both = { actor: actor.staffId, onBehalfOf: subject.staffId };
  const refused = await auditOf('IMPERSONATION_REFUSED', actor.tenantId);
  expect(refused).toMatchObject([{ ...both, subject: `staff:${subject.staffId}` }]);
});
