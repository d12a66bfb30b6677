import { randomUUID } from 'node:crypto';
import { auditOf } from '@/tests/helpers/database/authRows';
import { expectRefusal } from '@/tests/helpers/http/expectRefusal';
import { makeDecisions } from '@/tests/helpers/evidence/madeUpDecisions';
import { as, seedOfficer } from '@/tests/helpers/people/officer';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';

const DECISIONS = '/api/security/risk-decisions';
const clock = createMovableClock();
const { app } = buildApp({}, { clock });

async function list(who: { token: string }, query: string): Promise<unknown[]> {
  const res = await as(app, who).get(`${DECISIONS}${query}`);
  expect(res.status).toBe(200);
  return res.body.decisions as unknown[];
}

describe('a verdict', () => {
  const give = (officer: { token: string }, id: string, body: object) =>
    as(app, officer).put(`${DECISIONS}/${id}/verdict`, body);

  it('is kept with who gave it, when and why, found by it, and audited', async () => {
    const officer = await seedOfficer();
    const [, id = ''] = await makeDecisions(officer, 3, clock.now());
    const res = await give(officer, id, { verdict: 'suspicious', note: 'Never was in Japan.' });
    const verdict = {
      verdict: 'suspicious',
      note: 'Never was in Japan.',
      by: officer.staffId,
      at: clock.now().toISOString(),
    };
    expect(res.status).toBe(200);
    expect(res.body).toMatchObject({ id, verdict });
    expect(await list(officer, '?verdict=suspicious')).toMatchObject([{ id, verdict }]);
    expect(await list(officer, '?verdict=none')).toHaveLength(2);
    expect(await auditOf('RISK_VERDICT_GIVEN', officer.tenantId)).toMatchObject([
      {
        actor: officer.staffId,
        subject: `risk-decision:${id}`,
        details: { verdict: 'suspicious', note: 'Never was in Japan.', before: null, score: 1 },
      },
    ]);
  });

  it('gives way to a later one, and the log has both', async () => {
    const officer = await seedOfficer();
    const [id = ''] = await makeDecisions(officer, 1, clock.now());
    await give(officer, id, { verdict: 'suspicious', note: 'Hm.' });
    const res = await give(officer, id, { verdict: 'legitimate' });
    expect(res.body).toMatchObject({ verdict: { verdict: 'legitimate', note: null } });
    expect(await auditOf('RISK_VERDICT_GIVEN', officer.tenantId)).toMatchObject([
      { details: { verdict: 'suspicious', before: null } },
      { details: { verdict: 'legitimate', before: 'suspicious' } },
    ]);
  });

  it('is for those who may edit, and on decisions of their own tenant: else 403, 404', async () => {
    const officer = await seedOfficer();
    const [id = ''] = await makeDecisions(officer, 1, clock.now());
    const viewer = await seedTestUserAndToken({
      permissions: ['SETTINGS_SECURITY_VIEW'],
      tenantId: officer.tenantId,
    });
    expectRefusal(await give(viewer, id, { verdict: 'legitimate' }), [403]);
    for (const nobodys of [randomUUID(), 'x', `${id}%00`]) {
      expectRefusal(await give(officer, nobodys, { verdict: 'legitimate' }), [404]);
    }
    expectRefusal(await give(await seedOfficer(), id, { verdict: 'legitimate' }), [404]);
    expectRefusal(await give(officer, id, { verdict: 'maybe' }), [400]);
    expect(await list(officer, '?verdict=none')).toHaveLength(1);
  });
});
