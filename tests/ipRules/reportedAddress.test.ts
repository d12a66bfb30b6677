import request from 'supertest';
import { auditOf } from '@/tests/helpers/database/authRows';
import { seedOfficer } from '@/tests/helpers/people/officer';
import { makeServiceKey, withKey } from '@/tests/helpers/people/programs';
import { ELSEWHERE, OFFICE, OFFICE_RANGE, allow, setRules } from '@/tests/helpers/people/addressed';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { openNode } from '@/tests/helpers/server/openNode';

const { app, deps, clock } = openNode();
let key: string;
beforeAll(async () => {
  key = await makeServiceKey(deps, ['introspect']);
});

async function seedClosed() {
  const officer = await seedOfficer();
  const member = await seedTestUserAndToken({ tenantId: officer.tenantId });
  await setRules(app, officer, [allow(OFFICE_RANGE)]);
  return { officer, member };
}

const introspect = async (token: string, address?: string) =>
  (await withKey(app, key).post('/api/token/introspect', { token, address })).body as object;

describe('an introspection for a tenant with IP rules', () => {
  it('goes by the address that the service reports, and never by the service\u2019s own', async () => {
    const { member } = await seedClosed();
    expect(await introspect(member.token, OFFICE)).toMatchObject({
      active: true,
      address_bound: true,
    });
    const refused = { active: false, reason: 'IP_BLOCKED' };
    expect(await introspect(member.token, ELSEWHERE)).toStrictEqual(refused);
    const own = await withKey(app, key)
      .post('/api/token/introspect', { token: member.token })
      .set('x-forwarded-for', OFFICE);
    expect(own.body).toStrictEqual(refused);
    expect(await auditOf('IP_RULE_BLOCKED', member.tenantId)).toMatchObject([
      { subject: `staff:${member.staffId}`, details: { address: ELSEWHERE } },
      { subject: `staff:${member.staffId}`, details: { address: null } },
    ]);
  });

  it('holds no longer than until the rules change by themselves', async () => {
    const { officer, member } = await seedClosed();
    const expiresAt = new Date(clock.now().getTime() + 20_000).toISOString();
    await setRules(app, officer, [allow(OFFICE_RANGE), allow('198.51.100.0/24', { expiresAt })]);
    const body = (await introspect(member.token, ELSEWHERE)) as { expires_in: number };
    expect(body.expires_in).toBeLessThanOrEqual(20);
    expect(body.expires_in).toBeGreaterThan(10);
  });

  it('says of other tenants what it said before', async () => {
    const member = await seedTestUserAndToken();
    expect(await introspect(member.token)).not.toHaveProperty('address_bound');
  });

  it('gives no proof to an act from an address that the rules refuse', async () => {
    const { member } = await seedClosed();
    const ask = (address?: string) =>
      withKey(app, key).post('/api/token/step-up', {
        ...{ token: member.token, purpose: 'app:delete', address },
      });
    const refused = { active: false, reason: 'IP_BLOCKED' };
    expect((await ask(ELSEWHERE)).body).toStrictEqual(refused);
    expect((await ask()).body).toStrictEqual(refused);
    expect((await ask(OFFICE)).status).toBe(428);
  });
});

describe('a gateway of a tenant with IP rules', () => {
  it('is told that the address of its client is refused', async () => {
    const { member } = await seedClosed();
    const ask = (address?: string) =>
      request(app)
        .get('/api/forward-auth')
        .set('authorization', `Bearer ${member.token}`)
        .set('x-gatehouse-service-key', key)
        .set(address === undefined ? {} : { 'x-gatehouse-client-address': address });
    expect((await ask(OFFICE)).status).toBe(200);
    for (const address of [ELSEWHERE, undefined]) {
      const res = await ask(address);
      expect([res.status, res.body.error]).toStrictEqual([403, 'IP_BLOCKED']);
      expect(res.headers).not.toHaveProperty('x-gatehouse-user');
    }
  });

  it('names the missing address, and no other network, if it reports none', async () => {
    const { member } = await seedClosed();
    const question = request(app)
      .get('/api/forward-auth')
      .set({ authorization: `Bearer ${member.token}`, 'x-gatehouse-service-key': key });
    expect((await question).body.detail).toMatch(/^Gatehouse was not told your address\./);
  });
});
