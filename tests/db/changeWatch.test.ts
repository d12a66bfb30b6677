import { ask } from '@/tests/helpers/askDatabase';
import { choosePolicy, as, policyWith, seedOfficer } from '@/tests/helpers/officer';
import { openNode } from '@/tests/helpers/openNode';
import { pollUntil } from '@/tests/helpers/pollUntil';
import { connect } from '@/server/db';
import { createChangeWatch } from '@/server/db/changeWatch';
import { closeLater } from '@/tests/helpers/closing';

const databaseUrl = process.env['DATABASE_URL'] ?? '';

/** A watch that looks often, and counts what it was told. */
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

describe('two nodes that do not hear each other', () => {
  it.each(['a node', 'SQL'])('apply a policy changed by %s on both', async (by) => {
    const [one, other] = [openNode(), openNode()];
    for (const node of [one, other]) node.clock.stop();
    const officer = await seedOfficer();
    await choosePolicy(one.app, officer, {});
    const version = async () => (await other.deps.riskPolicies.read(officer.tenantId)).version;
    expect(await version()).toBe(1);
    // No clock moves and nobody notifies: only the watch can end what is kept.
    other.deps.changeWatch.start();
    if (by === 'SQL') await ask(databaseUrl, 'UPDATE risk_policies SET version = 2');
    else
      await as(one.app, officer).put('/api/security/policy', {
        version: 1,
        policy: policyWith({}),
      });
    await pollUntil('the new policy', version, (now) => now === 2, 30_000);
  });
});
