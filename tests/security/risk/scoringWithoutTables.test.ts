import { login } from '../../helpers/http/authCalls';
import { auditOf, withoutTable } from '../../helpers/database/authRows';
import { seedTestUserAndToken } from '../../helpers/seedAuth';
import { buildApp } from '../../helpers/server/testApp';

describe('scoring while a table is missing', () => {
  it('is off: logins go on, say so in the audit log, and scoring comes back with the table', async () => {
    const who = await seedTestUserAndToken();
    const { app, deps } = buildApp();
    const skipped = async () =>
      (await auditOf('ANOMALY_CHECK_SKIPPED', who.tenantId)).map(({ details }) => details);
    await withoutTable('known_countries', async () => {
      await deps.schemaGuard.check();
      const res = await login(app, who);
      expect(res.status).toBe(200);
      expect(await skipped()).toStrictEqual([{ at: 'login', cause: 'schema_missing_tables' }]);
    });
    await deps.schemaGuard.check();
    expect((await login(app, who)).status).toBe(200);
    expect(await skipped()).toHaveLength(1);
    const logins = await auditOf('AUTH_LOGIN_SUCCEEDED', who.tenantId);
    expect(logins.map(({ details }) => details['reasons'])).toStrictEqual([
      ['ANOMALY_CHECK_SKIPPED'],
      expect.not.arrayContaining(['ANOMALY_CHECK_SKIPPED']),
    ]);
  });
});
