import { ask } from '@/tests/helpers/database/askDatabase';
import { choosePolicy, as, policyWith, seedOfficer } from '@/tests/helpers/people/officer';
import { openNode } from '@/tests/helpers/server/openNode';
import type { Node } from '@/tests/helpers/server/openNode';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { connect } from '@/server/db';
import { createChangeWatch } from '@/server/db/changeWatch';
import { startTcpProxy } from '@/tests/helpers/http/tcpProxy';
import { closeLater } from '@/tests/helpers/server/closing';

const databaseUrl = process.env['DATABASE_URL'] ?? '';

/** Opens a watch that reads often, and counts its calls. */
function watch(url = databaseUrl) {
  const { pool, close } = connect({ url, poolSize: 1, statementTimeoutMs: 5000 });
  const told = { changes: 0, failures: 0 };
  const options = { pool, everyMs: 10, onFailure: () => void (told.failures += 1) };
  const changeWatch = createChangeWatch(options);
  changeWatch.onChange('policy', () => void (told.changes += 1));
  closeLater(async () => {
    await changeWatch.close();
    await close();
  });
  return { changeWatch, told };
}

/**
 * Expects what works without notifications: a change made on the node that receives nothing, and the end of a
 * session there that another node ended.
 */
async function expectService(one: Node, cutOff: Node, officer: SeededAuth): Promise<void> {
  const change = { version: 2, policy: policyWith({}) };
  expect((await as(cutOff.app, officer).put('/api/security/policy', change)).status).toBe(200);
  expect((await as(one.app, officer).post('/api/auth/logout', {})).status).toBe(204);
  expect((await as(cutOff.app, officer).get('/api/security/policy')).status).toBe(401);
}

const until = (what: string, fits: () => boolean) =>
  pollUntil(what, () => Promise.resolve(fits()), Boolean);

describe('the watch over changes', () => {
  it.each([
    ['INSERT', `INSERT INTO risk_policies (tenant_id, policy) SELECT id, '{}' FROM tenants`],
    ['UPDATE', `UPDATE risk_policies SET version = version + 1`],
    ['DELETE', 'DELETE FROM risk_policies'],
    ['TRUNCATE', 'TRUNCATE risk_policies'],
  ])('sees a policy changed by %s in SQL', async (_what, statement) => {
    const { changeWatch, told } = watch();
    changeWatch.start();
    await until('the first look', () => told.changes === 1);
    await ask(databaseUrl, statement);
    await until('the change', () => told.changes === 2);
  });

  it('does not count a change that was rolled back, nor a look without one', async () => {
    const read = () =>
      ask(databaseUrl, `SELECT version FROM change_versions WHERE topic = 'policy'`);
    const before = await read();
    await ask(
      databaseUrl,
      `DO $$ BEGIN UPDATE risk_policies SET version = 2; RAISE EXCEPTION 'no'; END $$`,
    ).catch(() => undefined);
    expect(await read()).toStrictEqual(before);
  });

  it('that cannot look is not current, goes on trying, and is current again', async () => {
    const { changeWatch, told } = watch();
    await ask(databaseUrl, 'ALTER TABLE change_versions RENAME TO hidden');
    expect(changeWatch.isCurrent()).toBe(true);
    changeWatch.start();
    await until('two failures', () => told.failures >= 2);
    expect(changeWatch.isCurrent()).toBe(false);
    await ask(databaseUrl, 'ALTER TABLE hidden RENAME TO change_versions');
    await until('it is current', () => changeWatch.isCurrent());
    expect(told.changes).toBe(1);
  });
});

/**
 * Returns the database through an engine that has neither LISTEN (SQLSTATE 0A000) nor pg_notify().
 */
async function refuseNotices(): Promise<{ url: string; asked: () => number }> {
  const proxy = await startTcpProxy(databaseUrl);
  closeLater(() => proxy.close());
  proxy.replace('pg_notify(', 'no_notify(');
  const asked = proxy.replace('LISTEN "gatehouse_forget"', 'TABLE another.database.it'.padEnd(25));
  return { url: proxy.url, asked };
}

describe('two nodes that do not receive from each other', () => {
  it("apply each other's policies, and a node whose engine refuses LISTEN serves as ever", async () => {
    const { url, asked } = await refuseNotices();
    const one = openNode();
    const other = openNode((config) => ({ ...config, databaseUrl: url }));
    for (const node of [one, other]) node.clock.stop();
    const officer = await seedOfficer();
    await choosePolicy(one.app, officer, {});
    const version = async () => (await other.deps.riskPolicies.read(officer.tenantId)).version;
    // No clock moves and nobody notifies, so only the watch can drop the cached values.
    other.deps.broadcast.start();
    other.deps.changeWatch.start();
    // The first reading treats everything as changed.
    await until('the first look', () => other.deps.changeWatch.isCurrent());
    expect(await version()).toBe(1);
    const change = { version: 1, policy: policyWith({}) };
    await as(one.app, officer).put('/api/security/policy', change);
    await pollUntil('the new policy', version, (now) => now === 2, 30_000);
    await expectService(one, other, officer);
    // After a refusal, LISTEN is retried once a minute; after a fault it would be every two
    // seconds.
    expect([asked(), other.deps.broadcast.isDown()]).toStrictEqual([1, true]);
  });
});
