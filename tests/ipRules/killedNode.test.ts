import { ask, WAITS_FOR_LOCK, withConnection } from '@/tests/helpers/database/askDatabase';
import { auditOf } from '@/tests/helpers/database/authRows';
import {
  ELSEWHERE,
  OFFICE,
  OFFICE_RANGE,
  allow,
  deny,
  from,
  setRules,
} from '@/tests/helpers/people/addressed';
import { seedOfficer } from '@/tests/helpers/people/officer';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { spawnNode } from '@/tests/helpers/server/nodeProcess';
import { openNode } from '@/tests/helpers/server/openNode';
import { pollUntil } from '@/tests/helpers/time/pollUntil';

const RULES = '/api/security/ip-rules';
const databaseUrl = process.env['DATABASE_URL'] ?? '';
const { app, clock } = openNode();

const put = (url: string, { token }: SeededAuth, body: object) =>
  fetch(`${url}${RULES}`, {
    method: 'PUT',
    headers: {
      ...{ authorization: `Bearer ${token}`, 'x-forwarded-for': OFFICE },
      ...{ 'content-type': 'application/json', 'x-stepup-test-bypass': '1' },
    },
    body: JSON.stringify(body),
  });

const statusAt = async (who: SeededAuth, address: string) =>
  (await from(app, who, address).get('/api/auth/me')).status;

/** Asks until the answer changes. No request that began a second after the change has the old one. */
async function changesWithinASecond(who: SeededAuth, address: string, status: number) {
  const changedAt = performance.now();
  for (;;) {
    const sentAt = performance.now();
    if ((await statusAt(who, address)) === status) return;
    expect(sentAt - changedAt).toBeLessThan(1000);
  }
}

describe('a node that is killed', () => {
  it('in the middle of a change of rules leaves nothing of it: no rule, no event, no new version', async () => {
    const officer = await seedOfficer();
    const { tenantId } = officer;
    const before = await setRules(app, officer, [allow(OFFICE_RANGE), deny('192.0.2.1')]);
    const node = await spawnNode({});
    const rules = [allow(OFFICE_RANGE), allow('198.51.100.0/24'), deny('192.0.2.2')];
    await withConnection(databaseUrl, async (holder) => {
      // The change has recorded its events, and waits here before it writes its rules.
      await holder.query(
        "BEGIN; SELECT 1 FROM change_versions WHERE topic = 'ip_rules' FOR UPDATE",
      );
      const cut = put(node.url, officer, { version: before.version, rules }).then(
        () => 'answered',
        () => 'cut',
      );
      const waiting = () => ask(databaseUrl, WAITS_FOR_LOCK);
      await pollUntil('the change waits', waiting, (found) => found.length > 0);
      await node.kill();
      expect(await cut).toBe('cut');
    });
    const others = () =>
      ask(
        databaseUrl,
        `SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = database
        WHERE datname = current_database() AND relation = 'ip_rule_sets'::regclass
          AND mode = 'RowShareLock'`,
      );
    await pollUntil('the database has noticed', others, (found) => found.length === 0);
    const here = from(app, officer, OFFICE);
    expect((await here.get(RULES)).body).toMatchObject(before);
    expect(await statusAt(officer, ELSEWHERE)).toBe(403);
    expect(await auditOf('IP_RULE_CREATED', tenantId)).toHaveLength(2);
    expect(await auditOf('IP_RULE_DELETED', tenantId)).toHaveLength(0);
    expect((await here.put(RULES, { version: before.version, rules })).status).toBe(200);
    expect(await auditOf('IP_RULE_CREATED', tenantId)).toHaveLength(4);
  });

  it('after a change of rules does not keep another node from following within a second', async () => {
    const officer = await seedOfficer();
    await setRules(app, officer, [allow(OFFICE_RANGE)]);
    const member = await seedTestUserAndToken({ tenantId: officer.tenantId });
    expect(await statusAt(member, ELSEWHERE)).toBe(403);
    const node = await spawnNode({});
    const { version } = (await from(app, officer, OFFICE).get(RULES)).body as { version: number };
    const rules = [allow(OFFICE_RANGE), allow('198.51.100.0/24')];
    expect((await put(node.url, officer, { version, rules })).status).toBe(200);
    await node.kill();
    await changesWithinASecond(member, ELSEWHERE, 200);
  });

  it('during its trial of rules does not keep the trial from taking itself back', async () => {
    const officer = await seedOfficer();
    await setRules(app, officer, [deny('192.0.2.1')]);
    const member = await seedTestUserAndToken({ tenantId: officer.tenantId });
    const node = await spawnNode({});
    const { version } = (await from(app, officer, OFFICE).get(RULES)).body as { version: number };
    const trial = { version, rules: [allow(OFFICE_RANGE)], trialMinutes: 10 };
    expect((await put(node.url, officer, trial)).status).toBe(200);
    await node.kill();
    await changesWithinASecond(member, ELSEWHERE, 403);
    clock.advance(601);
    expect(await statusAt(member, ELSEWHERE)).toBe(200);
    expect(await statusAt(member, '192.0.2.1')).toBe(403);
    const { body } = await from(app, officer, OFFICE).get(RULES);
    expect(body).toMatchObject({ trial: null, rules: [{ range: '192.0.2.1/32' }] });
  });
});
