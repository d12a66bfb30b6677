import { auditOf } from '@/tests/helpers/database/authRows';
import { db } from '@/server/db';
import { ipRules } from '@/server/db/schema';
import { eq } from 'drizzle-orm';
import { setSuspension } from '@/server/ipRules';
import { seedOfficer } from '@/tests/helpers/people/officer';
import {
  ELSEWHERE,
  OFFICE,
  OFFICE_RANGE,
  allow,
  deny,
  from,
  setRules,
} from '@/tests/helpers/people/addressed';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { openNode, operatorContext } from '@/tests/helpers/server/openNode';

const RULES = '/api/security/ip-rules';
const { app, deps, clock } = openNode();
const other = openNode();

/** Moves both nodes to the same later moment. */
function wait(seconds: number): void {
  clock.advance(seconds);
  other.clock.advance(seconds);
}

/** Starts a trial of ten minutes in which only the office may act; before, everybody but one could. */
async function seedTrial(): Promise<{ officer: SeededAuth; member: SeededAuth }> {
  const officer = await seedOfficer();
  const member = await seedTestUserAndToken({ tenantId: officer.tenantId });
  await setRules(app, officer, [deny('192.0.2.1', { note: 'spam' })]);
  await setRules(app, officer, [allow(OFFICE_RANGE)], { trialMinutes: 10 });
  return { officer, member };
}

const statusOf = async (who: SeededAuth, address: string, node = app) =>
  (await from(node, who, address).get('/api/auth/me')).status;

describe('a trial of IP rules', () => {
  it('puts its rules in force at once, and shows both sets', async () => {
    const { officer, member } = await seedTrial();
    expect(await statusOf(member, ELSEWHERE)).toBe(403);
    expect(await statusOf(member, OFFICE)).toBe(200);
    const { body } = await from(app, officer, OFFICE).get(RULES);
    expect(body.rules).toMatchObject([{ range: '192.0.2.1/32' }]);
    expect(body.trial).toMatchObject({
      startedBy: officer.staffId,
      rules: [{ range: OFFICE_RANGE, action: 'allow' }],
    });
  });

  it('takes itself back at its end, although the node that started it is gone', async () => {
    const { officer, member } = await seedTrial();
    expect(await statusOf(member, ELSEWHERE, other.app)).toBe(403);
    wait(599);
    expect(await statusOf(member, ELSEWHERE, other.app)).toBe(403);
    wait(1);
    // Nobody has written anything, and nobody has read the rules again.
    expect(await statusOf(member, ELSEWHERE, other.app)).toBe(200);
    expect(await statusOf(member, '192.0.2.1', other.app)).toBe(403);
    const { body } = await from(other.app, officer, OFFICE).get(RULES);
    expect(body).toMatchObject({ trial: null, rules: [{ range: '192.0.2.1/32' }] });
  });

  it('is recorded as ended once, by whichever node sees it first', async () => {
    const { officer } = await seedTrial();
    wait(600);
    await Promise.all(
      [deps, other.deps, deps, other.deps].map(({ trialEnds }) => {
        trialEnds.wake();
        return trialEnds.settle();
      }),
    );
    expect(await auditOf('IP_RULES_TRIAL_ENDED', officer.tenantId)).toMatchObject([
      { actor: 'system', details: { reason: 'expired', startedBy: officer.staffId } },
    ]);
    const rows = await db.select().from(ipRules).where(eq(ipRules.tenantId, officer.tenantId));
    expect(rows).toMatchObject([{ trial: false, range: '192.0.2.1/32' }]);
  });

  it('stays if it is confirmed from an address that passes, and from no other', async () => {
    const { officer, member } = await seedTrial();
    const { version } = (await from(app, officer, OFFICE).get(RULES)).body as { version: number };
    const confirm = (address: string, body: object) =>
      from(app, officer, address).post(`${RULES}/trial/confirm`, body);
    expect((await confirm(ELSEWHERE, { version })).body.error).toBe('IP_BLOCKED');
    expect((await confirm(OFFICE, { version: version - 1 })).status).toBe(409);
    const { body } = await confirm(OFFICE, { version });
    expect(body).toMatchObject({ trial: null, rules: [{ range: OFFICE_RANGE }] });
    wait(601);
    expect(await statusOf(member, ELSEWHERE)).toBe(403);
    expect(await auditOf('IP_RULES_TRIAL_CONFIRMED', officer.tenantId)).toHaveLength(1);
    expect(await auditOf('IP_RULES_TRIAL_ENDED', officer.tenantId)).toStrictEqual([]);
    expect((await confirm(OFFICE, { version })).status).toBe(409);
  });

  it('cannot be confirmed after its end, whatever the other requests do', async () => {
    const { officer } = await seedTrial();
    const { version } = (await from(app, officer, OFFICE).get(RULES)).body as { version: number };
    wait(600);
    const res = await from(app, officer, OFFICE).post(`${RULES}/trial/confirm`, { version });
    expect(res.status).toBe(409);
    const { body } = await from(app, officer, OFFICE).get(RULES);
    expect(body).toMatchObject({ trial: null, rules: [{ range: '192.0.2.1/32' }] });
  });

  it('can be taken back before its end, and confirming and taking back at once is one of both', async () => {
    const { officer, member } = await seedTrial();
    const { version } = (await from(app, officer, OFFICE).get(RULES)).body as { version: number };
    const [confirmed, withdrawn] = await Promise.all([
      from(app, officer, OFFICE).post(`${RULES}/trial/confirm`, { version }),
      from(other.app, officer, OFFICE).del(`${RULES}/trial`),
    ]);
    expect([confirmed.status, withdrawn.status].sort()).toStrictEqual([200, 409]);
    const open = withdrawn.status === 200;
    expect(await statusOf(member, ELSEWHERE)).toBe(open ? 200 : 403);
  });

  it('shuts other changes out while it runs', async () => {
    const { officer } = await seedTrial();
    const here = from(app, officer, OFFICE);
    expect((await here.post(RULES, deny('192.0.2.9'))).body.error).toBe('IP_RULE_TRIAL_RUNS');
  });

  it('lasts ten minutes to a day', async () => {
    const officer = await seedOfficer();
    const here = from(app, officer, OFFICE);
    for (const trialMinutes of [9, 1441, 10.5, '10']) {
      const body = { version: 0, rules: [allow(OFFICE_RANGE)], trialMinutes };
      expect((await here.put(RULES, body)).status).toBe(400);
    }
  });

  it('keeps the ids of rules that stay, and marks its events with its end', async () => {
    const officer = await seedOfficer();
    const before = await setRules(app, officer, [allow(OFFICE_RANGE)]);
    const after = await setRules(app, officer, [allow(OFFICE_RANGE), deny('192.0.2.1')], {
      trialMinutes: 30,
    });
    const { trial } = after as unknown as { trial: { endsAt: string; rules: { id: string }[] } };
    expect(trial.rules[0]?.id).toBe(before.rules[0]?.id);
    const [created] = (await auditOf('IP_RULE_CREATED', officer.tenantId)).slice(-1);
    expect(created).toMatchObject({ details: { trialEndsAt: trial.endsAt } });
    expect(await auditOf('IP_RULES_TRIAL_STARTED', officer.tenantId)).toMatchObject([
      { details: { endsAt: trial.endsAt, rules: 2 } },
    ]);
  });
});

describe('rules that an operator has suspended', () => {
  it('let everybody pass until they are resumed, by the operator or by an administrator who passes', async () => {
    const officer = await seedOfficer();
    await setRules(app, officer, [allow(OFFICE_RANGE)]);
    await setSuspension(deps, operatorContext, officer.tenantId, true);
    expect(await statusOf(officer, ELSEWHERE)).toBe(200);
    expect(await setSuspension(deps, operatorContext, officer.tenantId, true)).toBeUndefined();
    const { body } = await from(app, officer, ELSEWHERE).get(RULES);
    expect(body.suspendedAt).toEqual(expect.any(String));
    const lockedOut = await from(app, officer, ELSEWHERE).del(`${RULES}/suspension`);
    expect(lockedOut.body.error).toBe('IP_RULES_LOCK_OUT');
    expect((await from(app, officer, OFFICE).del(`${RULES}/suspension`)).status).toBe(200);
    expect(await statusOf(officer, ELSEWHERE)).toBe(403);
    const again = await from(app, officer, OFFICE).del(`${RULES}/suspension`);
    expect(again.body.error).toBe('IP_RULES_NOT_SUSPENDED');
    expect(await auditOf('IP_RULES_SUSPENDED', officer.tenantId)).toHaveLength(1);
    expect(await auditOf('IP_RULES_RESUMED', officer.tenantId)).toHaveLength(1);
  });
});

describe('a rule with an expiry', () => {
  it('ends by itself on every node', async () => {
    const officer = await seedOfficer();
    const member = await seedTestUserAndToken({ tenantId: officer.tenantId });
    const expiresAt = new Date(clock.now().getTime() + 60_000).toISOString();
    await setRules(app, officer, [allow(OFFICE_RANGE), allow('198.51.100.0/24', { expiresAt })]);
    expect(await statusOf(member, ELSEWHERE)).toBe(200);
    wait(61);
    expect(await statusOf(member, ELSEWHERE)).toBe(403);
    expect(await statusOf(member, OFFICE)).toBe(200);
  });
});
