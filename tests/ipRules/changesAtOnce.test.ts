import { inTenant } from '@/server/db/tenantScope';
import { openRuleSet } from '@/server/ipRules/changeIpRules';
import {
  OFFICE,
  OFFICE_RANGE,
  allow,
  deny,
  from,
  setRules,
} from '@/tests/helpers/people/addressed';
import type { ShownSet } from '@/tests/helpers/people/addressed';
import { seedOfficer } from '@/tests/helpers/people/officer';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app, deps } = buildApp();
const RULES = '/api/security/ip-rules';

describe('the IP rules of a tenant', () => {
  it('are changed by two administrators at once without losing a rule', async () => {
    const officer = await seedOfficer();
    const other = await seedOfficer({ tenantId: officer.tenantId });
    await setRules(app, officer, [allow(OFFICE_RANGE)]);
    const adds = Array.from({ length: 10 }, (_, at) =>
      from(app, at % 2 ? officer : other, OFFICE).post(RULES, deny(`192.0.2.${at}`)),
    );
    const statuses = (await Promise.all(adds)).map(({ status }) => status);
    expect(statuses).toStrictEqual(Array(10).fill(200));
    const { body } = await from(app, officer, OFFICE).get(RULES);
    expect(body.rules).toHaveLength(11);
    const whole = [officer, other].map((who, at) =>
      from(app, who, OFFICE).put(RULES, {
        version: body.version,
        rules: [allow(OFFICE_RANGE), deny(`198.18.0.${at}`)],
      }),
    );
    const both = (await Promise.all(whole)).map((res) => res.status).sort();
    expect(both).toStrictEqual([200, 409]);
  });

  it('are all kept if the first ones of a tenant are added at once', async () => {
    const officer = await seedOfficer();
    const adds = Array.from({ length: 10 }, (_, at) =>
      from(app, officer, OFFICE).post(RULES, deny(`192.0.2.${at}`)),
    );
    const statuses = (await Promise.all(adds)).map(({ status }) => status);
    expect(statuses).toStrictEqual(Array(10).fill(200));
    expect((await from(app, officer, OFFICE).get(RULES)).body.rules).toHaveLength(10);
  });

  it('of a whole set and of single rules at once lose none that was answered with 200', async () => {
    const officer = await seedOfficer();
    const { version } = await setRules(app, officer, [allow(OFFICE_RANGE)]);
    const here = from(app, officer, OFFICE);
    const whole = here.put(RULES, { version, rules: [allow(OFFICE_RANGE), deny('198.18.0.1')] });
    const add = (at: number) => here.post(RULES, deny(`192.0.2.${at}`));
    const [adds, more] = [[0, 1, 2].map(add), [3, 4].map(add)];
    const answers = await Promise.all([...adds, whole, ...more]);
    const replaced = answers[adds.length];
    const added = answers.filter((answer) => answer !== replaced);
    expect(added.map(({ status }) => status)).toStrictEqual(Array(5).fill(200));
    const ranges = ((await here.get(RULES)).body as ShownSet).rules.map(({ range }) => range);
    const kept = added.map((_, at) => `192.0.2.${at}/32`);
    expect(ranges).toEqual(expect.arrayContaining(kept));
    expect([200, 409]).toContain(replaced?.status);
    expect(ranges.includes('198.18.0.1/32')).toBe(replaced?.status === 200);
  });

  it('one by one are refused with 409 if somebody has changed the rules since the version that was sent', async () => {
    const officer = await seedOfficer();
    const other = await seedOfficer({ tenantId: officer.tenantId });
    const before = await setRules(app, officer, [allow(OFFICE_RANGE), deny('192.0.2.1')]);
    const { version } = before;
    const path = `${RULES}/${before.rules.find(({ range }) => range === '192.0.2.1/32')?.id}`;
    const mine = from(app, officer, OFFICE).put(path, deny('192.0.2.1', { note: 'a', version }));
    const theirs = from(app, other, OFFICE).put(path, deny('192.0.2.0/30', { version }));
    const both = await Promise.all([mine, theirs]);
    expect(both.map(({ status }) => status).sort()).toStrictEqual([200, 409]);
    expect(both.find(({ status }) => status === 409)?.body.error).toBe('CONFLICT');
    const gone = await from(app, other, OFFICE).del(`${path}?version=${version}`);
    expect(gone.body.error).toBe('CONFLICT');
    const { body } = await from(app, other, OFFICE).get(RULES);
    const now = (body as ShownSet).version;
    expect((await from(app, other, OFFICE).del(`${path}?version=${now}`)).status).toBe(200);
  });
});

it('a change of one tenant does not wait while another tenant prepares its own', async () => {
  const slow = await seedOfficer();
  const officer = await seedOfficer();
  await setRules(app, slow, [allow(OFFICE_RANGE)]);
  await setRules(app, officer, [allow(OFFICE_RANGE)]);
  const { tenantId } = slow;
  await inTenant(deps.db, tenantId, async (tx) => {
    await openRuleSet(deps, tx, operatorContext, { tenantId });
    const res = await from(app, officer, OFFICE).post(RULES, deny('192.0.2.1'));
    expect(res.status).toBe(200);
  });
});
