import { endOverImpersonations } from '@/server/impersonation';
import { auditOf, withoutTable } from '@/tests/helpers/database/authRows';
import { me } from '@/tests/helpers/http/authCalls';
import { openMailNode } from '@/tests/helpers/mail/mailNode';
import { startMailServer } from '@/tests/helpers/mail/mailServer';
import type { MailServer } from '@/tests/helpers/mail/mailServer';
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
import { pollUntil } from '@/tests/helpers/time/pollUntil';

const { app, clock, deps } = openNode();
const CONSENT = '/api/auth/me/impersonation-consent';
/** Waits until a mail with this in its subject arrives. */
async function mailAbout(server: MailServer, address: string, about: string) {
  const find = () =>
    Promise.resolve(
      server.received.find(
        ({ to, headers }) => to.includes(address) && headers.get('subject')?.includes(about),
      ),
    );
  const mail = await pollUntil(`a mail: ${about}`, find, (found) => found !== undefined);
  return mail?.text ?? '';
}

const inMinutes = (minutes: number) => new Date(clock.now().getTime() + minutes * 60_000);
const allow = (subject: { token: string }, until: Date) =>
  as(app, subject).put(CONSENT, { until: until.toISOString() });

describe('the subject', () => {
  it('sees in their sessions who acts as them, as long as it lasts', async () => {
    const pair = await seedPair();
    const list = async () => (await as(app, pair.subject).get('/api/auth/sessions')).body;
    expect((await list()).impersonations).toEqual([]);
    const { id, token } = await impersonate(app, pair);
    const { sessions, impersonations } = await list();
    expect(sessions).toHaveLength(1);
    expect(impersonations).toMatchObject([
      { id, scope: 'read_only', actor: { staffId: pair.actor.staffId, email: pair.actor.email } },
    ]);
    await as(app, { token }).post(`${IMPERSONATION}/stop`, {}).expect(200);
    expect((await list()).impersonations).toEqual([]);
  });

  it('gets a mail at the start and one at the end, with what was opened', async () => {
    const server = await startMailServer();
    const node = openMailNode(server);
    const pair = await seedPair();
    const reason = 'See https://evil.example\nand ann@evil.example';
    const { token } = await impersonate(node.app, pair, { reason, ticket: 'HELP-7' });
    const begun = await mailAbout(server, pair.subject.email, 'Somebody acts as you');
    expect(begun).toContain(`${pair.actor.email} has begun to act as you`);
    expect(begun).toContain('Ticket: HELP-7');
    expect(begun).not.toMatch(/https:|ann@evil|evil\.example/);
    await as(node.app, { token }).get('/api/tenants/staff').expect(200);
    await as(node.app, { token }).head('/api/tenants/staff').expect(200);
    await as(node.app, { token }).get('/api/tenants/current').expect(200);
    await as(node.app, { token }).get('/api/security/factors').expect(403);
    await as(node.app, pair.actor).post(`${IMPERSONATION}/stop`, {}).expect(200);
    const ended = await mailAbout(server, pair.subject.email, 'Somebody acted as you');
    expect(ended.split('\n')).toEqual(
      expect.arrayContaining([
        '- the list of members: 2 times',
        '- the name of the organisation: once',
        'Requests that were refused: 1',
      ]),
    );
  });

  it('gets the mail at the end alone if the rules ask for no more', async () => {
    const server = await startMailServer();
    const node = openMailNode(server);
    const pair = await seedPair();
    await setRules(node.app, pair.actor.tenantId, { consent: 'none' });
    await impersonate(node.app, pair);
    await as(node.app, pair.actor).post(`${IMPERSONATION}/stop`, {}).expect(200);
    const only = await server.mailTo(pair.subject.email);
    expect(only.text).toContain('Nothing was opened here.');
  });

  it('does not keep an end from being recorded by a missing table of mails', async () => {
    const node = openMailNode(await startMailServer());
    const pair = await seedPair();
    const { token } = await impersonate(node.app, pair);
    await withoutTable('mails', () =>
      as(node.app, pair.actor).post(`${IMPERSONATION}/stop`, {}).expect(200),
    );
    expect((await me(node.app, token)).status).toBe(401);
  });
});

it('without their table, impersonations and the list of sessions are 503, and everything else goes on', async () => {
  const pair = await seedPair();
  const { token } = await impersonate(app, pair);
  await withoutTable('impersonations', async () => {
    expect((await me(app, token)).status).toBe(503);
    expect((await ask(app, pair)).status).toBe(503);
    expect((await as(app, pair.subject).get('/api/auth/sessions')).status).toBe(503);
    expect((await me(app, pair.actor.token)).status).toBe(200);
  });
  expect((await me(app, token)).status).toBe(200);
});

describe('a consent, if the rules ask for one', () => {
  it('opens a start until the time that the subject chose, and no longer', async () => {
    const pair = await seedPair();
    await setRules(app, pair.actor.tenantId, { consent: 'required' });
    expect((await ask(app, pair)).body.refusal).toBe('consent_missing');
    const until = inMinutes(5);
    expect((await allow(pair.subject, until)).body.consent.until).toBe(until.toISOString());
    const { id } = await impersonate(app, pair, { minutes: 15 });
    expect(await impersonationsOf(pair.actor.tenantId)).toMatchObject([{ id, expiresAt: until }]);
    expect(await auditOf('IMPERSONATION_STARTED', pair.actor.tenantId)).toMatchObject([
      { details: { consent: 'required', consentGivenAt: expect.any(String) } },
    ]);
  });

  it('that was withdrawn ends what rests on it with the next request, and is recorded', async () => {
    const pair = await seedPair();
    const { tenantId } = pair.actor;
    await setRules(app, tenantId, { consent: 'required' });
    await allow(pair.subject, inMinutes(60)).expect(200);
    const { token } = await impersonate(app, pair);
    expect((await as(app, pair.subject).del(CONSENT)).status).toBe(204);
    expect((await me(app, token)).status).toBe(401);
    expect(await auditOf('IMPERSONATION_ENDED', tenantId)).toMatchObject([
      {
        actor: pair.actor.staffId,
        details: { end: 'consent_ended', by: pair.subject.staffId },
      },
    ]);
    expect((await ask(app, pair)).body.refusal).toBe('consent_missing');
    expect((await as(app, pair.subject).get(CONSENT)).body).toEqual({ consent: null });
    expect((await as(app, pair.subject).del(CONSENT)).status).toBe(404);
  });

  it('that was shortened ends what rests on it at that time', async () => {
    const pair = await seedPair();
    await setRules(app, pair.actor.tenantId, { consent: 'required' });
    await allow(pair.subject, inMinutes(60)).expect(200);
    const { token } = await impersonate(app, pair);
    await allow(pair.subject, inMinutes(1)).expect(200);
    expect((await me(app, token)).status).toBe(200);
    clock.advance(61);
    expect((await me(app, token)).status).toBe(401);
    await endOverImpersonations(deps);
    expect(await auditOf('IMPERSONATION_ENDED', pair.actor.tenantId)).toMatchObject([
      { details: { end: 'expired' } },
    ]);
  });

  it.each([
    ['past', -1],
    ['more than 30 days ahead', 30 * 24 * 60 + 1],
  ])('cannot end at a time that is %s', async (_name, minutes) => {
    const { subject } = await seedPair();
    expect((await allow(subject, inMinutes(minutes))).status).toBe(400);
  });
});
