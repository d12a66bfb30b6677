import { WAITS_FOR_LOCK, ask, withConnection } from '@/tests/helpers/database/askDatabase';
import { signMore, signed, thisDatabase } from '@/tests/helpers/evidence/checkpoints';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { buildApp } from '@/tests/helpers/server/testApp';

const SEALER_LOCK = '7310595163817209187';
const NEXT = 'SELECT id FROM audit_checkpoints WHERE id > $1 ORDER BY id';

/** Acts like another sealer: signs under the lock, and then fails. */
async function signInVain(): Promise<void> {
  await withConnection(thisDatabase(), async (client) => {
    await client.query('BEGIN');
    await client.query(`SELECT pg_advisory_xact_lock(${SEALER_LOCK})`);
    await client.query(
      `INSERT INTO audit_checkpoints (log_id, size, root_hash, note) SELECT gen_random_uuid(), 1, '\\x00', 'in vain' FROM generate_series(1, 3)`,
    );
    await client.query('ROLLBACK');
  });
}

describe('the numbers of checkpoints', () => {
  it('become visible in their order, whoever signs and whatever is rolled back: what was read past was never skipped', async () => {
    const sealers = [1, 2, 3].map(() => buildApp().deps.sealer);
    const state = { done: false };
    const seen: number[] = [];
    const reading = withConnection(thisDatabase(), async (client) => {
      while (!state.done) {
        const { rows } = await client.query<{ id: string }>(NEXT, [seen.at(-1) ?? 0]);
        seen.push(...rows.map(({ id }) => Number(id)));
      }
    });
    await Promise.all([
      ...sealers.map(async (sealer, at) => {
        for (let round = 0; round < 15; round += 1) {
          await ask(
            thisDatabase(),
            `INSERT INTO audit_logs (tenant_id, action, outcome, actor, correlation_id)
             SELECT gen_random_uuid(), 'AUTH_LOGOUT', 'success', 'system', $1 FROM generate_series(1, 40)`,
            [`node ${at}`],
          );
          await sealer.sealNow();
        }
      }),
      (async () => {
        for (let round = 0; round < 15; round += 1) await signInVain();
      })(),
    ]);
    state.done = true;
    await reading;
    const all = (await signed()).map(({ id }) => id);
    expect(all.length).toBeGreaterThan(1500);
    // Gaps exist, and mean nothing.
    expect(all.at(-1)).toBeGreaterThan(all.length);
    const last = seen.at(-1) ?? 0;
    expect(seen).toStrictEqual(all.filter((id) => id <= last));
  });

  it('are given out under a lock that is held until they can be seen', async () => {
    await withConnection(thisDatabase(), async (client) => {
      await client.query('BEGIN');
      await client.query(`SELECT pg_advisory_xact_lock(${SEALER_LOCK})`);
      const before = (await signed()).length;
      const signing = signMore(1);
      const waits = `${WAITS_FOR_LOCK} AND wait_event = 'advisory'`;
      await pollUntil(
        'the sealer waits',
        () => ask(thisDatabase(), waits),
        (rows) => rows.length > 0,
      );
      expect((await signed()).length).toBe(before);
      await client.query('COMMIT');
      await signing;
      expect((await signed()).length).toBe(before + 1);
    });
  });
});
