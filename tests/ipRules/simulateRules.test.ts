import { eq } from 'drizzle-orm';
import type { Response } from 'supertest';
import { db } from '@/server/db';
import { riskDecisions } from '@/server/db/schema';
import { auditOf } from '@/tests/helpers/database/authRows';
import { WAITS_FOR_LOCK, ask, withConnection } from '@/tests/helpers/database/askDatabase';
import { fromAddress, login, refresh } from '@/tests/helpers/http/authCalls';
import { policyWith, seedOfficer } from '@/tests/helpers/people/officer';
import { makeApiKey, withKey } from '@/tests/helpers/people/programs';
import {
  ELSEWHERE,
  OFFICE,
  OFFICE_RANGE,
  allow,
  deny,
  from,
} from '@/tests/helpers/people/addressed';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { openNode } from '@/tests/helpers/server/openNode';
import { pollUntil } from '@/tests/helpers/time/pollUntil';

const { app, deps } = openNode();
const SIMULATE = '/api/security/ip-rules/simulate';

describe('a simulation of IP rules', () => {
  it('tells who would have been shut out, how often, from where, and by which rule', async () => {
    const officer = await seedOfficer();
    const traveller = await seedTestUserAndToken({ tenantId: officer.tenantId });
    const settled = await seedTestUserAndToken({ tenantId: officer.tenantId });
    await login(app, settled, fromAddress(OFFICE));
    const session = await login(app, traveller, fromAddress(OFFICE));
    const next = await refresh(app, session.body.refreshToken, fromAddress(ELSEWHERE));
    await refresh(app, next.body.refreshToken, fromAddress(ELSEWHERE));
    const here = from(app, officer, OFFICE);
    const rules = [allow(OFFICE_RANGE), deny('198.51.100.0/24')];
    const { status, body } = await here.post(SIMULATE, { rules });
    expect(status).toBe(200);
    expect(body).toMatchObject({ requests: 4, refused: 2, morePeople: false, keys: [] });
    expect(body.people).toMatchObject([
      {
        staffId: traveller.staffId,
        email: traveller.email,
        ...{ requests: 3, refused: 2, shutOut: false, moreAddresses: false },
        addresses: [
          { address: ELSEWHERE, refused: 2, rule: { action: 'deny', range: '198.51.100.0/24' } },
        ],
      },
    ]);
    const strict = await here.post(SIMULATE, { rules: [allow('192.0.2.0/24')] });
    expect(strict.body.people).toMatchObject([
      { staffId: traveller.staffId, refused: 3, shutOut: true },
      { staffId: settled.staffId, refused: 1, shutOut: true },
    ]);
    expect(strict.body.yourAddress).toStrictEqual({ address: OFFICE, passes: false, rule: null });
  });

  it('replays only the days that were asked for, and only the own tenant', async () => {
    const officer = await seedOfficer();
    const stranger = await seedTestUserAndToken();
    const member = await seedTestUserAndToken({ tenantId: officer.tenantId });
    await login(app, stranger, fromAddress(ELSEWHERE));
    await login(app, member, fromAddress(ELSEWHERE));
    const rules = [allow(OFFICE_RANGE)];
    const ask = (days: number) => from(app, officer, OFFICE).post(SIMULATE, { rules, days });
    expect((await ask(30)).body).toMatchObject({ requests: 1, refused: 1 });
    const earlier = { occurredAt: new Date(Date.now() - 2 * 86_400_000) };
    await db.update(riskDecisions).set(earlier).where(eq(riskDecisions.tenantId, officer.tenantId));
    expect((await ask(1)).body).toMatchObject({ requests: 0, refused: 0, people: [] });
    expect((await ask(3)).body).toMatchObject({ requests: 1, refused: 1 });
    expect((await ask(31)).status).toBe(400);
  });

  it('names the API keys whose last use would have been refused', async () => {
    const permissions = ['SETTINGS_SECURITY_VIEW', 'API_KEYS_MANAGE', 'TENANT_STAFF_VIEW'];
    const officer = await seedOfficer({ permissions });
    const made = await makeApiKey(app, officer);
    await withKey(app, made.key).get('/api/tenants/current').set(fromAddress(ELSEWHERE));
    await deps.tenantKeys.settle();
    const rules = [allow(OFFICE_RANGE, { appliesTo: 'api_keys' })];
    const { body } = await from(app, officer, OFFICE).post(SIMULATE, { rules });
    expect(body.keys).toMatchObject([
      { apiKeyId: made.id, name: made.name, address: ELSEWHERE, rule: null },
    ]);
  });

  it('answers whether an address would pass, for people and for API keys', async () => {
    const officer = await seedOfficer();
    const rules = [allow(OFFICE_RANGE), deny('203.0.113.66', { appliesTo: 'api_keys' })];
    const addresses = ['203.0.113.66', '::ffff:cb00:7107', ELSEWHERE];
    const { body } = await from(app, officer, OFFICE).post(SIMULATE, { rules, addresses });
    expect(body.addresses).toMatchObject([
      { people: { passes: true }, apiKeys: { passes: false, rule: { action: 'deny' } } },
      { address: '203.0.113.7', people: { passes: true }, apiKeys: { passes: true } },
      { address: ELSEWHERE, people: { passes: false, rule: null }, apiKeys: { passes: true } },
    ]);
    const wrong = await from(app, officer, OFFICE).post(SIMULATE, { rules, addresses: ['10.1'] });
    expect(wrong.body.issues).toMatchObject([{ path: 'addresses.0' }]);
  });

  it('changes nothing and records nothing', async () => {
    const officer = await seedOfficer();
    await from(app, officer, OFFICE).post(SIMULATE, { rules: [allow('192.0.2.0/24')] });
    const { body } = await from(app, officer, OFFICE).get('/api/security/ip-rules');
    expect(body).toMatchObject({ version: 0, rules: [] });
    expect(await auditOf('IP_RULE_CREATED', officer.tenantId)).toStrictEqual([]);
  });
});

const SIMULATE_POLICY = '/api/security/policy/simulate';
const databaseUrl = process.env['DATABASE_URL'] ?? '';

/** Holds up everything that reads decisions of the risk gate, while the work runs. */
const whileHeld = (work: () => Promise<void>) =>
  withConnection(databaseUrl, async (holder) => {
    await holder.query('BEGIN; LOCK TABLE risk_decisions IN ACCESS EXCLUSIVE MODE');
    await work();
  });

describe('several simulations at once, of IP rules and of a risk policy', () => {
  it('run one at a time on a node; a tenant has one more that waits, and another tenant waits too', async () => {
    const [officer, other] = [await seedOfficer(), await seedOfficer()];
    const here = from(app, officer, OFFICE);
    const policy = policyWith({});
    const first = { rules: [allow(OFFICE_RANGE)] };
    const sent: Promise<Response>[] = [];
    const send = (asked: PromiseLike<Response>) => sent.push(Promise.resolve(asked));
    await whileHeld(async () => {
      send(here.post(SIMULATE, first));
      const count = () => ask(databaseUrl, WAITS_FOR_LOCK);
      await pollUntil('one runs', count, (waiting) => waiting.length === 1);
      send(from(app, other, OFFICE).post(SIMULATE, first));
      const more = Array.from({ length: 4 }, () => here.post(SIMULATE_POLICY, { policy }));
      const refused: Response[] = [];
      await new Promise<void>((resolve) => {
        for (const one of more) {
          const answer = Promise.resolve(one);
          sent.push(answer);
          void answer.then((res) => refused.push(res) === 3 && resolve());
        }
      });
      for (const { status, body, headers } of refused) {
        expect([status, body.error]).toEqual([503, 'SIMULATION_BUSY']);
        expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(1);
      }
      expect(await count()).toHaveLength(1);
      // Other requests do not wait in the line.
      expect((await here.get('/api/auth/me')).status).toBe(200);
    });
    const statuses = (await Promise.all(sent)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(3);
  });
});
