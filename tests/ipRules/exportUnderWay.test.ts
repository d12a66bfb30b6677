import { ask, WAITS_FOR_LOCK, withConnection } from '@/tests/helpers/database/askDatabase';
import { auditOf } from '@/tests/helpers/database/authRows';
import { utcToday } from '@/tests/helpers/evidence/evidenceBundle';
import { listen } from '@/tests/helpers/http/listen';
import { ELSEWHERE, OFFICE, OFFICE_RANGE, allow, from } from '@/tests/helpers/people/addressed';
import { seedOfficer } from '@/tests/helpers/people/officer';
import { buildApp } from '@/tests/helpers/server/testApp';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { verify } from '@/tests/verifier/verifyFile';

const { app } = buildApp();
const databaseUrl = process.env['DATABASE_URL'] ?? '';

/** Makes the end of each export wait for a lock: all but its last piece is sent by then. */
const HOLD_ENDS = `CREATE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END';
  CREATE TRIGGER wait_for_test BEFORE INSERT ON audit_logs FOR EACH ROW
    WHEN (NEW.action = 'DATA_EXPORT_COMPLETED') EXECUTE FUNCTION wait_for_test()`;

it('an export that has begun goes on when its reader is shut out, and the next one is refused', async () => {
  const traveller = await seedOfficer();
  const { tenantId } = traveller;
  const officer = await seedOfficer({ tenantId });
  const url = await listen(app);
  const exportBundle = () =>
    fetch(`${url}/api/compliance/export/bundle`, {
      method: 'POST',
      headers: {
        ...{ authorization: `Bearer ${traveller.token}`, 'x-forwarded-for': ELSEWHERE },
        ...{ 'content-type': 'application/json', 'x-stepup-test-bypass': '1' },
      },
      body: JSON.stringify({ from: utcToday(), to: utcToday(), format: 'csv' }),
    });
  const bytes = await withConnection(databaseUrl, async (holder) => {
    await holder.query(HOLD_ENDS);
    await holder.query('BEGIN; SELECT pg_advisory_xact_lock(4711)');
    const begun = await exportBundle();
    expect(begun.status).toBe(200);
    const waiting = () => ask(databaseUrl, WAITS_FOR_LOCK);
    await pollUntil('the export waits before its end', waiting, (found) => found.length > 0);
    const rules = { version: 0, rules: [allow(OFFICE_RANGE)] };
    await from(app, officer, OFFICE).put('/api/security/ip-rules', rules).expect(200);
    const next = await exportBundle();
    expect([next.status, await next.json()]).toMatchObject([403, { error: 'IP_BLOCKED' }]);
    await holder.query('ROLLBACK');
    return Buffer.from(await begun.arrayBuffer());
  });
  const { found } = await verify(bytes);
  expect(found).toEqual([]);
  expect(await auditOf('DATA_EXPORT_COMPLETED', tenantId)).toHaveLength(1);
  expect(await auditOf('DATA_EXPORT_FAILED', tenantId)).toHaveLength(0);
});
