import { randomUUID } from 'node:crypto';
import { eq } from 'drizzle-orm';
import { db } from '@/server/db';
import { ipRuleSets, ipRules } from '@/server/db/schema';
import { setSuspension } from '@/server/ipRules';
import { writeEvents } from '@/tests/helpers/evidence/auditReads';
import { downloadEvidence, utcToday } from '@/tests/helpers/evidence/evidenceBundle';
import { at } from '@/tests/helpers/evidence/pastStaff';
import { OFFICE, OFFICE_RANGE, from } from '@/tests/helpers/people/addressed';
import { as, seedOfficer } from '@/tests/helpers/people/officer';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { buildApp } from '@/tests/helpers/server/testApp';
import { verify } from '@/tests/verifier/verifyFile';

const { app, deps } = buildApp();
const FEBRUARY = { from: '2025-02-01', to: '2025-02-28', format: 'csv' };
const MARCH = { from: '2025-03-01', to: '2025-03-31', format: 'csv' };
const instant = (text: string) => at(text).toISOString();

type Row = Record<string, string>;
const shownBy = (rows: Row[], shows: string) => rows.filter((row) => row['shows'] === shows);
const rangesOf = (rows: Row[]) => rows.map((row) => [row['range'], row['trial'], row['record']]);

/** A rule that does not limit the officer who exports. */
const rule = (range: string, more: object = {}) => ({
  ...{ action: 'allow', appliesTo: 'api_keys', range, note: '', expiresAt: null },
  ...more,
});

/** Collects the events of a tenant's rules. */
function story(tenantId: string) {
  const events: object[] = [];
  const tell = (action: string, when: string, subject: string, details: object) =>
    events.push({ action, subject, occurredAt: at(when), actor: 'ann', details });
  const about = (id: string) => `ip-rule:${id}`;
  return {
    created: (id: string, when: string, after: object, more: object = {}) =>
      tell('IP_RULE_CREATED', when, about(id), { after, ...more }),
    changed: (id: string, when: string, before: object, after: object, more: object = {}) =>
      tell('IP_RULE_UPDATED', when, about(id), { before, after, ...more }),
    deleted: (id: string, when: string, before: object, more: object = {}) =>
      tell('IP_RULE_DELETED', when, about(id), { before, ...more }),
    ofSet: (action: string, when: string, details: object) =>
      tell(action, when, `tenant:${tenantId}`, details),
    write: () => writeEvents(tenantId, events),
  };
}

async function seedRules() {
  const officer = await seedOfficer();
  const { tenantId } = officer;
  await db.insert(ipRuleSets).values({ tenantId });
  const store = (id: string, range: string, created: string, more: object = {}) =>
    db.insert(ipRules).values({
      ...{ id, tenantId, action: 'allow', appliesTo: 'api_keys', range, createdAt: at(created) },
      ...more,
    });
  const rows = async (range: object) =>
    (await downloadEvidence(app, officer, range)).table('ip-rules.csv') as Row[];
  return { ...officer, store, rows, told: story(tenantId) };
}

describe('ip-rules.csv', () => {
  it('has each rule that stood in the range, as it was at its end or at its own end', async () => {
    const { store, rows, told } = await seedRules();
    const [kept, dropped, early, later, bySql, mixed] = Array.from({ length: 6 }, () =>
      randomUUID(),
    );
    const office = rule('192.0.2.0/24', { note: 'Office' });
    const wide = rule('192.0.0.0/16', { note: 'Office' });
    told.created(kept as string, '02-10T00:00:00', office);
    told.changed(kept as string, '04-02T00:00:00', office, wide);
    await store(kept as string, '192.0.0.0/16', '02-10T00:00:00', { note: 'Office' });
    told.created(dropped as string, '03-02T00:00:00', rule('198.51.100.0/24', { action: 'deny' }));
    told.deleted(dropped as string, '03-20T00:00:00', rule('198.51.100.0/24', { action: 'deny' }));
    told.created(early as string, '02-02T00:00:00', rule('203.0.113.0/24'));
    told.deleted(early as string, '02-20T00:00:00', rule('203.0.113.0/24'));
    told.created(later as string, '04-01T00:00:00', rule('2001:db8::/32'));
    await store(later as string, '2001:db8::/32', '04-01T00:00:00');
    await store(bySql as string, '10.0.0.0/8', '03-05T00:00:00');
    // Postgres writes this address as ::192.0.2.1.
    told.created(mixed as string, '03-06T00:00:00', rule('::c000:201/128'));
    await store(mixed as string, '::c000:201/128', '03-06T00:00:00');
    await told.write();
    const march = await rows(MARCH);
    expect(shownBy(march, 'in_force')).toMatchObject([
      {
        ...{ rule_id: kept, effect: 'allow', applies_to: 'api_keys', range: '192.0.2.0/24' },
        ...{ note: 'Office', trial: 'false', created_at: instant('02-10T00:00:00') },
        ...{ created_by: 'ann', ended_at: '', record: 'recorded', leaf_index: '', actor: '' },
      },
      { rule_id: dropped, effect: 'deny', ended_at: instant('03-20T00:00:00'), record: 'recorded' },
      { rule_id: bySql, range: '10.0.0.0/8', created_by: '', record: 'unrecorded' },
      { rule_id: mixed, range: '::c000:201/128', record: 'recorded' },
    ]);
    expect(march.slice(4)).toMatchObject([
      { shows: 'created', rule_id: dropped, effect: 'deny', actor: 'ann', effect_before: '' },
      { shows: 'created', rule_id: mixed, leaf_index: expect.stringMatching(/^\d+$/) },
      { shows: 'deleted', rule_id: dropped, effect: '', range_before: '198.51.100.0/24' },
    ]);
    expect(rangesOf(shownBy(await rows(FEBRUARY), 'in_force'))).toEqual([
      ['203.0.113.0/24', 'false', 'recorded'],
      ['192.0.2.0/24', 'false', 'recorded'],
    ]);
  });

  it('has a rule that was changed or deleted in the database itself as unrecorded', async () => {
    const { store, rows, told } = await seedRules();
    const [changed, gone] = [randomUUID(), randomUUID()];
    told.created(changed, '03-01T00:00:00', rule('192.0.2.0/24'));
    await store(changed, '0.0.0.0/0', '03-01T00:00:00');
    told.created(gone, '03-02T00:00:00', rule('198.51.100.0/24'));
    await told.write();
    expect(rangesOf(shownBy(await rows(MARCH), 'in_force'))).toEqual([
      ['0.0.0.0/0', 'false', 'unrecorded'],
      ['198.51.100.0/24', 'false', 'unrecorded'],
    ]);
  });

  it('has no rule of a trial as one that stands, unless the trial was confirmed', async () => {
    const { store, rows, told } = await seedRules();
    const [base, tried, kept] = [randomUUID(), randomUUID(), randomUUID()];
    const until = (end: string) => ({ trialEndsAt: instant(end) });
    told.created(base, '02-01T00:00:00', rule('192.0.2.0/24'));
    // The trial is over in February; a node records that only in March, after the next one began.
    told.ofSet('IP_RULES_TRIAL_STARTED', '02-10T10:00:00', {
      ...{ endsAt: instant('02-10T11:00:00'), rules: 1 },
    });
    told.created(tried, '02-10T10:00:00', rule('10.0.0.0/8'), until('02-10T11:00:00'));
    told.deleted(base, '02-10T10:00:00', rule('192.0.2.0/24'), until('02-10T11:00:00'));
    const ended = { reason: 'expired', startedBy: 'ann', endedAt: instant('02-10T11:00:00') };
    told.ofSet('IP_RULES_TRIAL_ENDED', '03-02T00:00:00', ended);
    told.created(kept, '02-28T23:50:00', rule('203.0.113.0/24'), until('03-01T12:00:00'));
    told.ofSet('IP_RULES_TRIAL_CONFIRMED', '03-01T00:10:00', { startedBy: 'ann', rules: 2 });
    await store(base, '192.0.2.0/24', '02-01T00:00:00');
    await store(kept, '203.0.113.0/24', '02-28T23:50:00');
    await told.write();
    const february = await rows(FEBRUARY);
    expect(shownBy(february, 'in_force')).toMatchObject([
      { rule_id: base, trial: 'false', ended_at: '', record: 'recorded' },
      { rule_id: tried, trial: 'true', ended_at: instant('02-10T11:00:00') },
      { rule_id: kept, trial: 'true', ended_at: '', record: 'recorded' },
    ]);
    expect(shownBy(february, 'deleted')).toMatchObject([
      { rule_id: base, trial: 'true', trial_ends_at: instant('02-10T11:00:00') },
    ]);
    expect(shownBy(february, 'trial_started')).toHaveLength(1);
    const march = await rows(MARCH);
    expect(rangesOf(shownBy(march, 'in_force'))).toEqual([
      ['192.0.2.0/24', 'false', 'recorded'],
      ['203.0.113.0/24', 'false', 'recorded'],
    ]);
    expect(march.slice(2)).toMatchObject([
      { shows: 'trial_confirmed', started_by: 'ann', actor: 'ann' },
      { shows: 'trial_ended', reason: 'expired', ended_at: instant('02-10T11:00:00') },
    ]);
  });

  it('has suspensions, and the refusals with their counts', async () => {
    const { tenantId, staffId, store, rows, told } = await seedRules();
    await store(randomUUID(), '192.0.2.0/24', '02-01T00:00:00');
    told.ofSet('IP_RULES_SUSPENDED', '02-20T00:00:00', { via: 'operator' });
    told.ofSet('IP_RULES_RESUMED', '03-10T00:00:00', { via: 'api' });
    await told.write();
    const refused = { ruleId: 'r', range: '198.51.100.0/24', appliesTo: 'people', repeated: 41 };
    await writeEvents(tenantId, [
      {
        ...{ action: 'IP_RULE_BLOCKED', outcome: 'denied', actor: staffId },
        ...{ subject: `staff:${staffId}`, occurredAt: at('03-11T00:00:00') },
        details: { address: '198.51.100.9', ...refused },
      },
    ]);
    const suspended = { suspended_at: instant('02-20T00:00:00') };
    expect(shownBy(await rows(FEBRUARY), 'in_force')).toMatchObject([suspended]);
    const march = await rows(MARCH);
    expect(march).toMatchObject([
      { shows: 'in_force', suspended_at: '' },
      { shows: 'resumed', via: 'api' },
      {
        ...{ shows: 'refused', rule_id: 'r', range: '198.51.100.0/24', applies_to: 'people' },
        ...{ address: '198.51.100.9', repeated: '41', subject: `staff:${staffId}`, effect: '' },
      },
    ]);
    const set = eq(ipRuleSets.tenantId, tenantId);
    await db
      .update(ipRuleSets)
      .set({ suspendedAt: at('03-20T00:00:00') })
      .where(set);
    const bySql = { suspended_at: instant('03-20T00:00:00') };
    expect(shownBy(await rows(MARCH), 'in_force')).toMatchObject([bySql]);
  });

  it('explains each rule that was made by the API, and one that was tried out', async () => {
    const officer = await seedOfficer();
    const client = as(app, officer);
    const rules = '/api/security/ip-rules';
    const keys = { appliesTo: 'api_keys' };
    const home = { ...keys, action: 'allow', range: '127.0.0.0/8', note: '=1+1' };
    const { body: first } = await client.put(rules, { version: 0, rules: [home] }).expect(200);
    const more = [home, { ...keys, action: 'deny', range: '::c000:201/128' }];
    const trial = { version: first.version, rules: more, trialMinutes: 10 };
    await client.put(rules, trial).expect(200);
    const today = { from: utcToday(), to: utcToday(), format: 'csv' };
    const inForce = async () => {
      const bundle = await downloadEvidence(app, officer, today);
      return rangesOf(shownBy(bundle.table('ip-rules.csv'), 'in_force'));
    };
    const standing = ['127.0.0.0/8', 'false', 'recorded'];
    expect(await inForce()).toEqual([standing, ['::c000:201/128', 'true', 'recorded']]);
    const { body: tried } = await client.get(rules).expect(200);
    await client.post(`${rules}/trial/confirm`, { version: tried.version }).expect(200);
    expect(await inForce()).toEqual([standing, ['::c000:201/128', 'false', 'recorded']]);
  });

  it('names who changed a rule, what it was and became, and who shut out their own address', async () => {
    const officer = await seedOfficer();
    const here = from(app, officer, OFFICE);
    const rules = '/api/security/ip-rules';
    const home = { action: 'allow', range: OFFICE_RANGE, note: '=1+1' };
    const { body } = await here.put(rules, { version: 0, rules: [home] }).expect(200);
    const path = `${rules}/${body.rules[0].id}`;
    const moved = { action: 'allow', range: '192.0.2.0/24', note: 'Lyon' };
    await here.put(path, { ...moved, confirmLockout: officer.tenantSlug }).expect(200);
    await setSuspension(deps, operatorContext, officer.tenantId, true);
    const today = { from: utcToday(), to: utcToday(), format: 'csv' };
    const { zip, manifest, table } = await downloadEvidence(app, officer, today);
    const { email, staffId } = officer;
    const by = { actor: staffId, actor_email: email };
    expect(table('ip-rules.csv')).toMatchObject([
      { shows: 'in_force', created_by: staffId, created_by_email: email, range: '192.0.2.0/24' },
      { ...by, shows: 'created', range: OFFICE_RANGE, note: "'=1+1", confirmed_lockout: '' },
      {
        ...{ ...by, shows: 'changed', range: '192.0.2.0/24', note: 'Lyon' },
        ...{ range_before: OFFICE_RANGE, note_before: "'=1+1", confirmed_lockout: 'true' },
      },
      { shows: 'suspended', actor: 'system', actor_email: '' },
    ]);
    expect((await verify(zip, { keys: [manifest.key] })).found).toEqual([]);
  });

  it('is made, and sound, although somebody has written events with odd details', async () => {
    const { tenantId, rows, ...officer } = await seedRules();
    const odd: unknown[] = [
      7,
      [1],
      'x',
      { after: 7 },
      { before: [], after: { expiresAt: 'never' } },
    ];
    odd.push({ after: { expiresAt: '2025-99-99T99:99:99.999Z', note: { b: 1 } }, trialEndsAt: 1 });
    odd.push({ after: rule('=1+1'), trialEndsAt: '2025-03-09T00:00:00.000Z', ticket: [0.5] });
    const actions = ['IP_RULE_CREATED', 'IP_RULE_UPDATED', 'IP_RULES_TRIAL_ENDED'];
    const events = [...actions, 'IP_RULE_BLOCKED', 'IP_RULES_SUSPENDED'].flatMap((action) =>
      odd.map((details) => ({ action, details, occurredAt: at('03-08T00:00:00') })),
    );
    const subjects = ['ip-rule:', 'ip-rule:x', 'x', null];
    const written = events.map((one, n) => ({ ...one, subject: subjects[n % subjects.length] }));
    await writeEvents(tenantId, written as Parameters<typeof writeEvents>[1]);
    const { zip, manifest } = await downloadEvidence(app, officer, MARCH);
    expect(await rows(MARCH)).not.toHaveLength(0);
    expect((await verify(zip, { keys: [manifest.key] })).found).toEqual([]);
  });
});
