import express from 'express';
import { ACTIVE, openFakeGatehouse, openGuard } from '@/tests/helpers/guard/fakeGatehouse';
import { listen } from '@/tests/helpers/http/listen';

const OFFICE = '203.0.113.7';
const ELSEWHERE = '198.51.100.9';

/** Opens a guard at a Gatehouse whose tenant allows the office alone. */
async function openBound() {
  const fake = await openFakeGatehouse();
  fake.introspect = ({ body }) =>
    body['address'] === OFFICE
      ? { ...ACTIVE, address_bound: true }
      : { active: false, reason: 'IP_BLOCKED' };
  const guard = await openGuard(fake);
  const header = `Bearer ${fake.token()}`;
  const ask = (address?: string) => guard.decide(header, {}, { address });
  return { fake, guard, header, ask };
}

describe('a guard for a tenant with IP rules', () => {
  it('admits a person from an allowed address and refuses the same token from another one', async () => {
    const { guard, ask } = await openBound();
    expect(await ask(OFFICE)).toMatchObject({ allowed: true, source: 'asked' });
    expect(await ask(OFFICE)).toMatchObject({ allowed: true, source: 'kept' });
    const refusal = { status: 403, body: { error: 'IP_BLOCKED' } };
    expect(await ask(ELSEWHERE)).toMatchObject({ allowed: false, refusal });
    expect(await ask()).toMatchObject({ allowed: false, refusal });
    expect(await ask(OFFICE)).toMatchObject({ allowed: true, source: 'kept' });
    await guard.close();
  });

  it('never answers a question from one address with the answer for another one, also at once', async () => {
    const { guard, ask } = await openBound();
    const asked = await Promise.all([OFFICE, ELSEWHERE, OFFICE, ELSEWHERE].map(ask));
    expect(asked.map(({ allowed }) => allowed)).toStrictEqual([true, false, true, false]);
    await guard.close();
  });

  it('asks the same of each framework: Express with the address that it trusts', async () => {
    const { guard, header, ask } = await openBound();
    const api = express();
    api.set('trust proxy', 'loopback');
    api.get('/', guard.express.requirePermission('app:read'), (_req, res) => void res.send('in'));
    const origin = await listen(api);
    const from = (address: string) =>
      fetch(origin, { headers: { authorization: header, 'x-forwarded-for': address } });
    await ask(OFFICE);
    expect((await from(ELSEWHERE)).status).toBe(403);
    expect((await from(OFFICE)).status).toBe(200);
    await guard.close();
  });

  it('sends the address with the question about a proof, and passes the refusal on', async () => {
    const { fake, guard, header } = await openBound();
    fake.stepUp = () => ({ status: 200, body: { active: false, reason: 'IP_BLOCKED' } });
    const need = { stepUp: { purpose: 'app:delete' } };
    const decision = await guard.decide(header, need, { address: OFFICE });
    expect(decision).toMatchObject({ refusal: { status: 403, body: { error: 'IP_BLOCKED' } } });
    expect(fake.requests.at(-1)).toMatchObject({ body: { address: OFFICE } });
    await guard.close();
  });
});
