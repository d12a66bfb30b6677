import { randomUUID } from 'node:crypto';
import { thisDatabase } from '@/tests/helpers/evidence/checkpoints';
import { buildApp } from '@/tests/helpers/server/testApp';
import { ask } from '@/tests/helpers/database/askDatabase';
import { expectSoundLog } from '@/tests/helpers/evidence/sealedLeaves';
import { AUDIT_TRIGGERS_OFF, AUDIT_TRIGGERS_ON } from '@/tests/helpers/database/auditTriggers';

const { deps } = buildApp();
const { sealer, keys } = deps;
const sound = () => expectSoundLog(keys.evidence.publicPem);
const tenant = randomUUID();

/** Writes events. With a transaction number it writes as an owner can, whom no trigger stops. */
const add = (count: number, transaction?: number) =>
  ask(
    thisDatabase(),
    `${transaction === undefined ? '' : `${AUDIT_TRIGGERS_OFF};`}
     INSERT INTO audit_logs (tenant_id, action, outcome, actor, correlation_id, transaction_id)
     SELECT '${tenant}', 'AUTH_LOGOUT', 'success', 'system', 'c', '${transaction ?? 3}' FROM generate_series(1, ${count});
     ${AUDIT_TRIGGERS_ON}`,
  );
const setState = (columns: string) => ask(thisDatabase(), `UPDATE audit_sealer SET ${columns}`);
const size = async () => {
  const text = 'SELECT size::int FROM audit_trees WHERE log_id = $1';
  return (await ask<{ size: number }>(thisDatabase(), text, [tenant]))[0]?.size;
};
const moves = async () =>
  (
    await ask<{ details: object }>(
      thisDatabase(),
      `SELECT details FROM audit_logs WHERE action = 'AUDIT_LOG_MOVED' ORDER BY id`,
    )
  ).map(({ details }) => details);

/** The report of the sealer is an event too, so it takes two passes. */
async function expectAllSealed(count: number): Promise<void> {
  await sealer.sealNow();
  await sealer.sealNow();
  expect(await size()).toBe(count);
  await sound();
}

describe('a dump that was restored into another cluster', () => {
  it('goes on from what is sealed, where the numbers of transactions are lower now', async () => {
    await add(3);
    await sealer.sealNow();
    await add(2);
    await setState(`cluster = '1', sealed = '900000000:900000000:'`);
    await add(1, 900_000_005);
    await expectAllSealed(6);
    expect(await moves()).toEqual([{ sealed: 3 }]);
    await add(2);
    await expectAllSealed(8);
  });

  it('goes on where only the name of the cluster tells', async () => {
    await add(1, 900_000_006);
    await setState(`cluster = '1'`);
    await expectAllSealed(9);
    expect(await moves()).toHaveLength(2);
  });

  it('goes on where only the numbers tell', async () => {
    await add(1, 900_000_007);
    await setState(`sealed = '900000000:900000000:'`);
    await expectAllSealed(10);
    expect(await moves()).toHaveLength(3);
  });

  it('seals nothing twice when the numbers from elsewhere are reached', async () => {
    await setState(`sealed = '1:1:', target = '900000010:900000010:', target_at = now(),
      after_transaction = '0', after_id = '00000000-0000-0000-0000-000000000000'`);
    await add(1, 900_000_008);
    await expectAllSealed(11);
  });
});
