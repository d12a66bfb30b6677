import type { Response } from 'supertest';
import { db } from '@/server/db';
import { ipRuleSets, ipRules } from '@/server/db/schema';
import { setSuspension } from '@/server/ipRules';
import { auditOf } from '@/tests/helpers/database/authRows';
import { writeEvents } from '@/tests/helpers/evidence/auditReads';
import { OFFICE, OFFICE_RANGE, allow, deny, from } from '@/tests/helpers/people/addressed';
import type { ShownSet } from '@/tests/helpers/people/addressed';
import { seedOfficer } from '@/tests/helpers/people/officer';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { openNode, operatorContext } from '@/tests/helpers/server/openNode';

const RULES = '/api/security/ip-rules';
const LIMIT = 2000;
const { app, deps } = openNode();
const other = openNode();

/** Returns 999 deny rules in a network of their own, and one that allows the office. */
const many = (network: number) => [
  allow(OFFICE_RANGE),
  ...Array.from({ length: 999 }, (_, at) => deny(`10.${network}.${at >> 8}.${at & 255}`)),
];

async function replace(officer: SeededAuth, rules: object[], node = app, more: object = {}) {
  const here = from(node, officer, OFFICE);
  const { version } = (await here.get(RULES)).body as { version: number };
  return here.put(RULES, { version, rules, ...more });
}

const isRefused = ({ status, body, headers }: Response) => {
  expect([status, body.error, body.violatedPolicies]).toEqual([429, 'RATE_LIMITED', ['ip_rules']]);
  const seconds = Number(headers['retry-after']);
  expect(seconds).toBeGreaterThanOrEqual(1);
  expect(seconds).toBeLessThanOrEqual(60);
};

/** Writes events of changed rules of a moment that is so many seconds ago. */
const changedBefore = (officer: SeededAuth, seconds: number, count: number) =>
  writeEvents(
    officer.tenantId,
    Array.from({ length: count }, () => ({
      action: 'IP_RULE_CREATED',
      occurredAt: new Date(Date.now() - seconds * 1000),
    })),
  );

const countChanges = async ({ tenantId }: SeededAuth) =>
  (await auditOf('IP_RULE_CREATED', tenantId)).length +
  (await auditOf('IP_RULE_DELETED', tenantId)).length;

describe('the changes of rules of one tenant', () => {
  it('are at most 2000 rules in a minute, on all nodes together, and those of another tenant go on', async () => {
    const officer = await seedOfficer();
    expect((await replace(officer, many(1))).status).toBe(200);
    isRefused(await replace(officer, many(2), other.app));
    isRefused(await replace(officer, many(2), app, { trialMinutes: 10 }));
    expect(await countChanges(officer)).toBe(1000);
    const stranger = await seedOfficer();
    expect((await replace(stranger, many(2))).status).toBe(200);
  });

  it('do not get past the limit by being sent at once', async () => {
    const officer = await seedOfficer();
    await changedBefore(officer, 5, LIMIT - 3);
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, at) =>
        from(at % 2 ? app : other.app, officer, OFFICE).post(RULES, deny(`192.0.2.${at}`)),
      ),
    );
    const passed = answers.filter(({ status }) => status === 200);
    expect(passed).toHaveLength(3);
    answers.filter((answer) => !passed.includes(answer)).forEach(isRefused);
  });

  it('may all be replaced at once after a quiet minute', async () => {
    const officer = await seedOfficer();
    const { tenantId } = officer;
    await db.insert(ipRuleSets).values({ tenantId });
    const stored = { tenantId, action: 'deny', appliesTo: 'people' } as const;
    const ranges = many(1)
      .slice(1)
      .map(({ range }) => range);
    await db.insert(ipRules).values(ranges.map((range) => ({ ...stored, range })));
    await changedBefore(officer, 61, LIMIT);
    const { body, status } = await replace(officer, many(2));
    expect([status, (body as ShownSet).rules.length]).toEqual([200, 1000]);
    expect(await auditOf('IP_RULE_DELETED', tenantId)).toHaveLength(999);
  });

  it('are told how long to wait until enough of them are a minute old', async () => {
    const officer = await seedOfficer();
    await changedBefore(officer, 50, LIMIT - 1);
    await changedBefore(officer, 20, 1);
    const later = await from(app, officer, OFFICE).post(RULES, deny('192.0.2.1'));
    isRefused(later);
    expect(Number(later.headers['retry-after'])).toBeLessThanOrEqual(10);
    const whole = await replace(officer, many(1).slice(0, 500));
    isRefused(whole);
    expect(Number(whole.headers['retry-after'])).toBeLessThanOrEqual(10);
    await changedBefore(officer, 20, 1999);
    const much = await replace(officer, many(1).slice(0, 500));
    expect(Number(much.headers['retry-after'])).toBeGreaterThan(30);
  });

  it('at the limit keep nobody from suspending and resuming the rules, or from ending a trial', async () => {
    const officer = await seedOfficer();
    const here = from(app, officer, OFFICE);
    const trial = { version: 0, rules: [allow(OFFICE_RANGE)], trialMinutes: 10 };
    await here.put(RULES, trial).expect(200);
    await changedBefore(officer, 5, LIMIT);
    expect(await setSuspension(deps, operatorContext, officer.tenantId, true)).toBeDefined();
    await here.del(`${RULES}/suspension`).expect(200);
    await here.del(`${RULES}/trial`).expect(200);
    isRefused(await here.post(RULES, deny('192.0.2.1')));
  });
});
