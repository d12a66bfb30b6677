import { downloadEvidence, utcToday } from '@/tests/helpers/evidence/evidenceBundle';
import {
  IMPERSONATION,
  impersonate,
  seedPair,
  setRules,
} from '@/tests/helpers/people/impersonators';
import { as, seedOfficer } from '@/tests/helpers/people/officer';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app } = buildApp();

it('impersonations.csv answers who, whom, why, who allowed it, when, what, and how it ended', async () => {
  const pair = await seedPair();
  const { actor, subject } = pair;
  const { tenantId } = actor;
  await setRules(app, tenantId, { consent: 'required' });
  const until = new Date(Date.now() + 3_600_000).toISOString();
  await as(app, subject).put('/api/auth/me/impersonation-consent', { until }).expect(200);
  const { id, token } = await impersonate(app, pair, { ticket: 'HELP-7' });
  await as(app, { token }).get('/api/tenants/staff').expect(200);
  await as(app, { token }).get('/api/security/factors').expect(403);
  await as(app, actor).post(`${IMPERSONATION}/stop`, {}).expect(200);
  const officer = await seedOfficer({ tenantId });
  const range = { from: utcToday(), to: utcToday(), format: 'csv' };
  const evidence = await downloadEvidence(app, officer, range);
  const terms = {
    ...{ impersonation_id: id, actor: actor.staffId, on_behalf_of: subject.staffId },
    ...{ actor_email: actor.email, on_behalf_of_email: subject.email, ticket: 'HELP-7' },
    ...{ reason: 'To see what they see', scope: 'read_only', consent: 'required' },
    consent_given_at: expect.stringMatching(/^\d{4}-.*Z$/),
  };
  const moment = expect.stringMatching(/^\d{4}-.*Z$/);
  expect(evidence.table('impersonations.csv')).toMatchObject([
    { ...terms, action: 'IMPERSONATION_STARTED', ended_because: '' },
    {
      ...{ ...terms, action: 'IMPERSONATION_ENDED', started_at: moment, occurred_at: moment },
      ...{ seconds: expect.stringMatching(/^\d/), ended_because: 'stopped', ended_by: '' },
      opened: '[{"route": "GET /api/tenants/staff", "times": 1}]',
      refused: '[{"route": "GET /api/security/factors", "times": 1}]',
    },
  ]);
});
