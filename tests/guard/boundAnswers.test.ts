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

  it('says that the API reports no address, in place of advising another network', async () => {
    const { guard, ask } = await openBound();
    const saying = (detail: RegExp) => ({
      refusal: { body: { detail: expect.stringMatching(detail) as unknown } },
    });
    expect(await ask()).toMatchObject(saying(/^This API did not report your address\./));
    expect(await ask(ELSEWHERE)).toMatchObject(saying(/^Use a network /));
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

  it('asks once about a token that has ended, from however many addresses it comes', async () => {
    const { fake, guard, ask } = await openBound();
    fake.introspect = () => ({ active: false });
    for (let n = 0; n < 20; n += 1) {
      expect(await ask(`192.0.2.${n}`)).toMatchObject({ refusal: { status: 401 } });
    }
    const asked = fake.requests.filter(({ path }) => path === '/api/token/introspect');
    expect(asked).toHaveLength(1);
    await guard.close();
  });

  it('lets nobody who changes the address with each request keep others waiting', async () => {
    const { fake, guard, header, ask } = await openBound();
    await ask(OFFICE);
    const refuse: (() => void)[] = [];
    const isFlood = (address: unknown) => String(address).startsWith('2001:db8:');
    fake.introspect = ({ body }) =>
      isFlood(body['address'])
        ? new Promise((resolve) => {
            const refusal = { active: false, reason: 'IP_BLOCKED' };
            refuse.push(() => resolve(refusal));
          })
        : { ...ACTIVE, address_bound: true };
    const flood = Array.from({ length: 300 }, (_none, n) => ask(`2001:db8::${n.toString(16)}`));
    const surplus = await Promise.race(flood);
    expect(surplus).toMatchObject({ refusal: { status: 503 } });
    const other = `Bearer ${fake.token({ sid: '0197c0de-0000-7000-8000-0000000000ff' })}`;
    expect(await guard.decide(other, {}, { address: OFFICE })).toMatchObject({ allowed: true });
    expect(await guard.decide(header, {}, { address: OFFICE })).toMatchObject({ allowed: true });
    // Of the first sixteen addresses one was the office; sixteen others wait their turn at once.
    expect(refuse).toHaveLength(31);
    fake.introspect = () => ({ active: false, reason: 'IP_BLOCKED' });
    for (const each of refuse) each();
    await Promise.all(flood);
    await guard.close();
  });
});
