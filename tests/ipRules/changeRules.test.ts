import { and, eq } from 'drizzle-orm';
import type { AuditAction } from '@/server/audit';
import { db } from '@/server/db';
import { ipRules } from '@/server/db/schema';
import { setSuspension } from '@/server/ipRules';
import { auditOf } from '@/tests/helpers/database/authRows';
import { as, seedOfficer } from '@/tests/helpers/people/officer';
import {
  ELSEWHERE,
  OFFICE,
  OFFICE_RANGE,
  allow,
  deny,
  from,
  setRules,
} from '@/tests/helpers/people/addressed';
import type { ShownSet } from '@/tests/helpers/people/addressed';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app, deps } = buildApp();
const RULES = '/api/security/ip-rules';
const SOON = new Date(Date.now() + 86_400_000).toISOString();

describe('the IP rules of a tenant', () => {
  it('are none at first, and anybody who may see the settings sees them', async () => {
    const officer = await seedOfficer({ permissions: ['SETTINGS_SECURITY_VIEW'] });
    const { status, body } = await as(app, officer).get(RULES);
    expect(status).toBe(200);
    expect(body).toStrictEqual({ version: 0, rules: [], trial: null, suspendedAt: null });
    const change = await as(app, officer).put(RULES, { version: 0, rules: [] });
    expect(change.status).toBe(403);
  });

  it('are stored in one form, at full length, with their author', async () => {
    const officer = await seedOfficer();
    const wanted = [
      allow(OFFICE_RANGE, { note: 'The office' }),
      allow('2001:0DB8:0001:0002:0003:0004:0005:0006', { expiresAt: SOON }),
      deny('::ffff:10.0.0.0/104', { appliesTo: 'api_keys' }),
    ];
    const { rules } = await setRules(app, officer, wanted);
    expect(rules).toMatchObject([
      { range: '203.0.113.0/24', note: 'The office', createdBy: officer.staffId, expiresAt: null },
      { range: '2001:db8:1:2:3:4:5:6/128', expiresAt: SOON, appliesTo: 'people' },
      { range: '10.0.0.0/8', action: 'deny', appliesTo: 'api_keys' },
    ]);
    const { body } = await from(app, officer, OFFICE).get(RULES);
    expect(body.rules).toStrictEqual(rules);
  });

  it('are refused with the field that is wrong, and nothing is stored', async () => {
    const officer = await seedOfficer();
    const past = new Date(Date.now() - 1000).toISOString();
    const cases: [object[], string][] = [
      [[allow(OFFICE_RANGE), allow('fe80::1%eth0')], 'rules.1.range'],
      [[allow('010.0.0.1')], 'rules.0.range'],
      [[allow('10.0.0.0/33')], 'rules.0.range'],
      [[allow('10.0.0.1/8')], 'rules.0.range'],
      [[allow(OFFICE_RANGE), allow('203.0.113.0/24')], 'rules.1.range'],
      [[allow(OFFICE_RANGE), allow('::ffff:203.0.113.0/120')], 'rules.1.range'],
      [[allow(OFFICE_RANGE), deny('192.0.2.1', { expiresAt: past })], 'rules.1.expiresAt'],
      [[allow(OFFICE_RANGE, { expiresAt: SOON })], 'rules.0.expiresAt'],
      [[allow(OFFICE_RANGE, { note: 'x'.repeat(201) })], 'rules.0.note'],
    ];
    for (const [rules, path] of cases) {
      const res = await from(app, officer, OFFICE).put(RULES, { version: 0, rules });
      expect(res.status).toBe(400);
      expect(res.body.issues.map((issue: { path: string }) => issue.path)).toContain(path);
    }
    expect((await from(app, officer, OFFICE).get(RULES)).body.rules).toStrictEqual([]);
    expect(await auditOf('IP_RULE_CREATED', officer.tenantId)).toStrictEqual([]);
  });

  it('are at most a thousand', async () => {
    const officer = await seedOfficer();
    const many = Array.from({ length: 1000 }, (_, at) => deny(`10.0.${at >> 8}.${at & 255}`));
    await setRules(app, officer, many);
    const res = await from(app, officer, OFFICE).post(RULES, deny('192.0.2.1'));
    expect(res.body).toMatchObject({ error: 'TOO_MANY_IP_RULES' });
    const all = { version: 0, rules: [...many, deny('192.0.2.1')] };
    expect((await from(app, officer, OFFICE).put(RULES, all)).status).toBe(400);
  });

  it('are recorded one by one, with before and after; what stays is not recorded', async () => {
    const officer = await seedOfficer();
    const first = await setRules(app, officer, [
      allow(OFFICE_RANGE),
      deny('192.0.2.1', { note: 'spam' }),
      deny('192.0.2.2'),
    ]);
    await setRules(app, officer, [
      allow(OFFICE_RANGE),
      deny('192.0.2.1', { note: 'a scanner' }),
      deny('192.0.2.3'),
    ]);
    const about = (range: string) =>
      `ip-rule:${first.rules.find((rule) => rule.range === range)?.id}`;
    expect(await auditOf('IP_RULE_CREATED', officer.tenantId)).toHaveLength(4);
    expect(await auditOf('IP_RULE_UPDATED', officer.tenantId)).toMatchObject([
      {
        actor: officer.staffId,
        subject: about('192.0.2.1/32'),
        details: { before: { note: 'spam' }, after: { note: 'a scanner', range: '192.0.2.1/32' } },
      },
    ]);
    expect(await auditOf('IP_RULE_DELETED', officer.tenantId)).toMatchObject([
      {
        subject: about('192.0.2.2/32'),
        details: { before: { range: '192.0.2.2/32', action: 'deny' } },
      },
    ]);
    await setRules(app, officer, [
      deny('192.0.2.3'),
      allow(OFFICE_RANGE),
      deny('192.0.2.1', { note: 'a scanner' }),
    ]);
    expect(await auditOf('IP_RULE_CREATED', officer.tenantId)).toHaveLength(4);
  });

  it('can be added, changed and removed one at a time', async () => {
    const officer = await seedOfficer();
    const here = from(app, officer, OFFICE);
    await here.post(RULES, allow(OFFICE_RANGE));
    const { body: added } = await here.post(RULES, deny('192.0.2.1'));
    const [, rule] = added.rules as { id: string }[];
    const id = rule?.id ?? '';
    const { body: changed } = await here.put(`${RULES}/${id}`, deny('192.0.2.0/30'));
    expect(changed.rules).toMatchObject([{}, { id, range: '192.0.2.0/30' }]);
    const twice = await here.put(`${RULES}/${id}`, allow(OFFICE_RANGE));
    expect(twice.body).toMatchObject({ error: 'INVALID_INPUT', issues: [{ path: 'range' }] });
    const { body: rest } = await here.del(`${RULES}/${id.toUpperCase()}`);
    expect(rest.rules).toMatchObject([{ range: OFFICE_RANGE }]);
    expect((await here.del(`${RULES}/${id}`)).status).toBe(404);
    expect(await auditOf('IP_RULE_UPDATED', officer.tenantId)).toMatchObject([
      { details: { before: { range: '192.0.2.1/32' }, after: { range: '192.0.2.0/30' } } },
    ]);
  });

  it('can be added, changed and removed while others of them have expired', async () => {
    const officer = await seedOfficer();
    const { tenantId } = officer;
    const brief = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map((at) =>
      deny(at, { expiresAt: SOON }),
    );
    await setRules(app, officer, [allow(OFFICE_RANGE), ...brief]);
    const over = { expiresAt: new Date(Date.now() - 60_000) };
    await db
      .update(ipRules)
      .set(over)
      .where(and(eq(ipRules.tenantId, tenantId), eq(ipRules.action, 'deny')));
    const here = from(app, officer, OFFICE);
    const { body } = await here.post(RULES, deny('192.0.2.9'));
    const idOf = (range: string) =>
      (body as ShownSet).rules.find((one) => one.range === range)?.id ?? '';
    expect((await here.put(`${RULES}/${idOf('192.0.2.9/32')}`, deny('192.0.2.8'))).status).toBe(
      200,
    );
    expect((await here.del(`${RULES}/${idOf('192.0.2.1/32')}`)).status).toBe(200);
    const again = { ...deny('192.0.2.2'), expiresAt: over.expiresAt.toISOString() };
    const renamed = { ...again, note: 'another note' };
    const path = `${RULES}/${idOf('192.0.2.2/32')}`;
    expect((await here.put(path, renamed)).body).toMatchObject({ error: 'INVALID_INPUT' });
    expect((await here.put(path, again)).status).toBe(200);
    expect((await here.get(RULES)).body.rules).toHaveLength(4);
  });
});

describe('rules that would shut out their author', () => {
  it('are refused with the rule that does it, unless the tenant is named', async () => {
    const officer = await seedOfficer();
    const here = from(app, officer, OFFICE);
    const denied = await here.put(RULES, { version: 0, rules: [deny('203.0.113.0/28')] });
    expect(denied.status).toBe(409);
    expect(denied.body).toMatchObject({
      error: 'IP_RULES_LOCK_OUT',
      address: OFFICE,
      rule: { action: 'deny', range: '203.0.113.0/28' },
    });
    const outside = await here.post(RULES, allow('198.51.100.0/24'));
    expect(outside.body).toMatchObject({ error: 'IP_RULES_LOCK_OUT', rule: null });
    const wrong = allow('198.51.100.0/24', { confirmLockout: 'another-tenant' });
    expect((await here.post(RULES, wrong)).status).toBe(409);
    expect((await here.get(RULES)).body.rules).toStrictEqual([]);
    const named = allow('198.51.100.0/24', { confirmLockout: officer.tenantSlug });
    expect((await here.post(RULES, named)).status).toBe(200);
    expect((await here.get(RULES)).body).toMatchObject({ error: 'IP_BLOCKED' });
    expect((await from(app, officer, ELSEWHERE).get(RULES)).status).toBe(200);
  });

  it('leave a mark in each of their events, and other rules none, whatever was confirmed', async () => {
    const officer = await seedOfficer();
    const { tenantId, tenantSlug: confirmLockout } = officer;
    const of = async (action: AuditAction) =>
      (await auditOf(action, tenantId)).map(
        ({ details }) => (details as { confirmedLockout?: unknown }).confirmedLockout,
      );
    const office = allow(OFFICE_RANGE, { confirmLockout });
    const { body } = await from(app, officer, OFFICE).post(RULES, office);
    const { rules } = body as ShownSet;
    const here = from(app, officer, OFFICE);
    const away = from(app, officer, ELSEWHERE);
    await here.put(`${RULES}/${rules[0]?.id}`, allow('198.51.100.0/24', { confirmLockout }));
    await away.post(RULES, deny('192.0.2.1', { confirmLockout }));
    const asked = { rules: [allow(OFFICE_RANGE)], trialMinutes: 10, confirmLockout };
    const { version } = (await away.get(RULES)).body as ShownSet;
    await away.put(RULES, { version, ...asked }).expect(200);
    await here.del(`${RULES}/trial?confirmLockout=${confirmLockout}`).expect(200);
    expect(await of('IP_RULE_CREATED')).toStrictEqual([undefined, undefined, true]);
    expect(await of('IP_RULE_UPDATED')).toStrictEqual([true]);
    expect(await of('IP_RULE_DELETED')).toStrictEqual([true, true]);
    expect(await of('IP_RULES_TRIAL_STARTED')).toStrictEqual([true]);
    expect(await of('IP_RULES_TRIAL_ENDED')).toStrictEqual([true]);
    await setSuspension(deps, operatorContext, tenantId, true);
    await here.del(`${RULES}/suspension?confirmLockout=${confirmLockout}`).expect(200);
    expect(await of('IP_RULES_RESUMED')).toStrictEqual([true]);
  });

  it('are noticed also when a rule is removed or changed', async () => {
    const officer = await seedOfficer();
    const here = from(app, officer, OFFICE);
    const { rules } = await setRules(app, officer, [allow(OFFICE_RANGE), allow('198.51.100.0/24')]);
    const own = rules.find(({ range }) => range === OFFICE_RANGE);
    const path = `${RULES}/${own?.id}`;
    expect((await here.del(path)).body).toMatchObject({ error: 'IP_RULES_LOCK_OUT' });
    expect((await here.put(path, allow('192.0.2.0/24'))).body).toMatchObject({
      error: 'IP_RULES_LOCK_OUT',
    });
    expect((await here.del(`${path}?confirmLockout=${officer.tenantSlug}`)).status).toBe(200);
  });

  it('for API keys shut no person out', async () => {
    const officer = await seedOfficer();
    const rule = allow('198.51.100.0/24', { appliesTo: 'api_keys' });
    expect((await from(app, officer, OFFICE).post(RULES, rule)).status).toBe(200);
  });
});
