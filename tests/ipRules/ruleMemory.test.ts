import { eq, sql } from 'drizzle-orm';
import { db } from '@/server/db';
import { ipRuleSets, ipRules } from '@/server/db/schema';
import { checkReadiness } from '@/server/health/checkReadiness';
import { createRuleMemory } from '@/server/ipRules/ruleMemory';
import type { ReadSet } from '@/server/ipRules/ruleReadStore';
import { seedOfficer } from '@/tests/helpers/people/officer';
import {
  ELSEWHERE,
  OFFICE,
  OFFICE_RANGE,
  allow,
  from,
  setRules,
} from '@/tests/helpers/people/addressed';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const TENANT = '0197c0de-0000-7000-8000-00000000000a';
const OTHER = '0197c0de-0000-7000-8000-00000000000b';

const real = performance.now.bind(performance);

/** Moves the monotonic clock of this process on, from the real time. */
function jump(ms: number): void {
  jest.spyOn(performance, 'now').mockImplementation(() => real() + ms);
}

afterEach(() => jest.restoreAllMocks());

const closed = (version: number, range = OFFICE_RANGE): ReadSet => ({
  ...{ tenantId: TENANT, version, trialEndsAt: null, suspended: false },
  rules: [
    {
      ...{ id: 'r', trial: false, action: 'allow', appliesTo: 'people', range },
      ...{ note: '', expiresAt: null },
    },
  ],
});

/** Creates a memory whose database is played. */
function openMemory() {
  const played = { version: '1', sets: [closed(1)], fails: false, reads: 0, fullReads: 0 };
  const turns: unknown[] = [];
  const memory = createRuleMemory({
    readVersion() {
      played.reads += 1;
      return played.fails ? Promise.reject(new Error('gone')) : Promise.resolve(played.version);
    },
    readSets(known) {
      played.fullReads += 1;
      const sets = played.sets.map((set) =>
        known.get(set.tenantId) === set.version ? { ...set, rules: null } : set,
      );
      return Promise.resolve(sets);
    },
    clock: { now: () => new Date() },
    onTurn: (error) => void turns.push(error),
  });
  const judge = async (address: string, tenantId = TENANT) => {
    await memory.refresh();
    return memory.judge(tenantId, 'people', address).kind;
  };
  return { memory, played, judge, turns };
}

describe('the rules in the memory of a node', () => {
  it('are not read again while they are young, and are if they are older than a second', async () => {
    const { played, judge } = openMemory();
    expect(await judge(OFFICE)).toBe('passes');
    expect(await judge(ELSEWHERE)).toBe('refused');
    expect(played).toMatchObject({ reads: 1, fullReads: 1 });
    played.version = '2';
    played.sets = [closed(2, '198.51.100.0/24')];
    expect(await judge(ELSEWHERE)).toBe('refused');
    jump(1000);
    expect(await judge(ELSEWHERE)).toBe('passes');
    expect(await judge(OFFICE)).toBe('refused');
  });

  it('are read by one request for all that wait, and only their version if nothing has changed', async () => {
    const { played, judge } = openMemory();
    await judge(OFFICE);
    jump(1000);
    await Promise.all(Array.from({ length: 50 }, () => judge(OFFICE)));
    expect(played).toMatchObject({ reads: 2, fullReads: 1 });
  });

  it('keep what another tenant has not changed', async () => {
    const { played, judge } = openMemory();
    await judge(OFFICE);
    played.version = '2';
    played.sets = [closed(1), { ...closed(1), tenantId: OTHER }];
    jump(1000);
    expect(await judge(ELSEWHERE)).toBe('refused');
    expect(await judge(ELSEWHERE, OTHER)).toBe('refused');
  });

  it('of one tenant do not stop those of the others if they cannot be understood', async () => {
    const { memory, played, judge } = openMemory();
    played.sets = [closed(1), { ...closed(1, 'no range'), tenantId: OTHER }];
    expect(await judge(OFFICE)).toBe('passes');
    expect(() => memory.judge(OTHER, 'people', OFFICE)).toThrow('the range of IP rule r');
  });

  it('count for thirty seconds if they cannot be read, and then nobody of the tenant passes', async () => {
    const { played, judge, turns } = openMemory();
    await judge(OFFICE);
    played.fails = true;
    jump(29_000);
    expect(await judge(OFFICE)).toBe('passes');
    expect(await judge(ELSEWHERE)).toBe('refused');
    jump(31_000);
    expect(await judge(OFFICE)).toBe('unavailable');
    expect(await judge(OFFICE, OTHER)).toBe('passes');
    played.fails = false;
    jump(33_000);
    expect(await judge(OFFICE)).toBe('passes');
    expect(turns.at(-1)).toBeUndefined();
  });

  it('let nobody pass before they were read for the first time', async () => {
    const { played, judge } = openMemory();
    played.fails = true;
    expect(await judge(OFFICE)).toBe('unavailable');
    expect(await judge(OFFICE, OTHER)).toBe('unavailable');
  });

  it('are not asked for at each request while they cannot be read', async () => {
    const { played, judge } = openMemory();
    played.fails = true;
    for (let times = 0; times < 20; times += 1) await judge(OFFICE);
    expect(played.reads).toBeLessThanOrEqual(2);
  });

  it('keep no answer for a guard waiting while they cannot be read', async () => {
    const { memory, played } = openMemory();
    await memory.refreshNow();
    played.fails = true;
    const asked = await Promise.all([memory.refreshNow(), memory.refreshNow()]);
    for (let times = 0; times < 20; times += 1) asked.push(await memory.refreshNow());
    expect(new Set(asked)).toStrictEqual(new Set([false]));
    expect(played.reads).toBe(2);
    jump(1000);
    played.fails = false;
    expect(await memory.refreshNow()).toBe(true);
  });

  it('are read anew after a failure, because the database may be another one', async () => {
    const { played, judge } = openMemory();
    await judge(OFFICE);
    played.fails = true;
    jump(1000);
    await judge(OFFICE);
    played.fails = false;
    // A restored database, with other rules under the same numbers.
    played.sets = [closed(1, '198.51.100.0/24')];
    jump(3000);
    expect(await judge(ELSEWHERE)).toBe('passes');
  });

  it('that were told to be old are read before the next verdict, also during a reading', async () => {
    const { memory, played, judge } = openMemory();
    await judge(OFFICE);
    jump(1000);
    const during = memory.refresh();
    played.version = '2';
    played.sets = [closed(2, '198.51.100.0/24')];
    memory.forget();
    // It waits for the reading that had begun before the change.
    expect(await judge(ELSEWHERE)).toBe('passes');
    await during;
  });
});

describe('the rules of a database', () => {
  const [one, other] = [buildApp(), buildApp()];

  it('count on another node within a second, without any message between the nodes', async () => {
    const officer = await seedOfficer();
    const there = from(other.app, officer, ELSEWHERE);
    expect((await there.get('/api/auth/me')).status).toBe(200);
    await setRules(one.app, officer, [allow(OFFICE_RANGE)]);
    expect((await from(one.app, officer, ELSEWHERE).get('/api/auth/me')).status).toBe(403);
    jump(1000);
    expect((await there.get('/api/auth/me')).status).toBe(403);
    expect((await from(other.app, officer, OFFICE).get('/api/auth/me')).status).toBe(200);
  });

  it('count if they were written by SQL', async () => {
    const member = await seedTestUserAndToken();
    const { tenantId } = member;
    const there = from(one.app, member, ELSEWHERE);
    expect((await there.get('/api/auth/me')).status).toBe(200);
    await db.insert(ipRuleSets).values({ tenantId });
    const range = '203.0.113.0/24';
    await db.insert(ipRules).values({ tenantId, action: 'allow', appliesTo: 'people', range });
    jump(1000);
    expect((await there.get('/api/auth/me')).status).toBe(403);
    await db
      .update(ipRules)
      .set({ range: '198.51.100.0/24' })
      .where(eq(ipRules.tenantId, tenantId));
    jump(2000);
    expect((await there.get('/api/auth/me')).status).toBe(200);
    await db.update(ipRules).set({ range }).where(eq(ipRules.tenantId, tenantId));
    jump(3000);
    expect((await there.get('/api/auth/me')).status).toBe(403);
    await db.delete(ipRules).where(eq(ipRules.tenantId, tenantId));
    jump(4000);
    expect((await there.get('/api/auth/me')).status).toBe(200);
  });

  it('that cannot be read answer 503 with Retry-After, to their tenant alone, and never 401 or 403', async () => {
    const officer = await seedOfficer();
    const stranger = await seedTestUserAndToken();
    await setRules(one.app, officer, [allow(OFFICE_RANGE)]);
    await from(one.app, stranger, ELSEWHERE).get('/api/auth/me');
    await db.execute(sql`ALTER TABLE change_versions RENAME TO change_versions_gone`);
    try {
      jump(20_000);
      expect((await from(one.app, officer, ELSEWHERE).get('/api/auth/me')).status).toBe(403);
      expect((await from(one.app, officer, OFFICE).get('/api/auth/me')).status).toBe(200);
      jump(40_000);
      for (const address of [OFFICE, ELSEWHERE]) {
        const res = await from(one.app, officer, address).get('/api/auth/me');
        expect([res.status, res.body.error]).toStrictEqual([503, 'IP_RULES_UNAVAILABLE']);
        expect(Number(res.headers['retry-after'])).toBeGreaterThan(0);
      }
      expect((await from(one.app, stranger, ELSEWHERE).get('/api/auth/me')).status).toBe(200);
      const { checks } = await checkReadiness(one.deps);
      expect(checks.ipRules).toMatchObject({
        ok: false,
        reason: expect.stringContaining('ip_rules'),
      });
    } finally {
      await db.execute(sql`ALTER TABLE change_versions_gone RENAME TO change_versions`);
    }
    jump(60_000);
    expect((await from(one.app, officer, OFFICE).get('/api/auth/me')).status).toBe(200);
  });
});
