import { readSsoSettings } from '@/server/config/ssoSettings';
import { deleteTenant } from '@/server/tenants';
import { db } from '@/server/db';
import { ssoConnections } from '@/server/db/schema';
import { eq, sql } from 'drizzle-orm';
import { auditOf } from '@/tests/helpers/database/authRows';
import { as, seedOfficer } from '@/tests/helpers/people/officer';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { buildApp } from '@/tests/helpers/server/testApp';
import { startProvider } from '@/tests/helpers/sso/provider';

const PATH = '/api/tenants/sso';
let node: ReturnType<typeof buildApp>;
let provider: Awaited<ReturnType<typeof startProvider>>;

beforeAll(async () => {
  provider = await startProvider();
  node = buildApp(readSsoSettings({ SSO_ALLOWED_HOSTS: provider.place }));
});

type Officer = Awaited<ReturnType<typeof seedOfficer>>;
async function connect(officer: Officer, client: object): Promise<string> {
  const body = { name: 'Okta', issuer: provider.origin, ...client };
  const res = await as(node.app, officer).post(PATH, body).expect(201);
  return (res.body as { id: string }).id;
}
const client = (clientId: string) => ({ clientId, clientSecret: `secret-of-${clientId}` });
const remove = ({ tenantId }: Officer) => deleteTenant(node.deps, operatorContext, { tenantId });
const { secretSealed, previousSealed, deletedAt } = ssoConnections;
const rowsOf = ({ tenantId }: Officer) =>
  db
    .select({
      secrets: sql<number>`num_nonnulls(${secretSealed}, ${previousSealed})`,
      ended: sql<boolean>`${deletedAt} IS NOT NULL`,
    })
    .from(ssoConnections)
    .where(eq(ssoConnections.tenantId, tenantId));

describe('a deleted tenant', () => {
  it('has no secret of a connection left, and an event for each connection', async () => {
    const officer = await seedOfficer();
    const rotated = await connect(officer, client('rotated'));
    const next = { clientSecret: 'next-secret', overlapSec: 600 };
    await as(node.app, officer).post(`${PATH}/${rotated}/secret`, next).expect(200);
    const draft = await connect(officer, {});
    const gone = await connect(officer, client('gone'));
    await as(node.app, officer).del(`${PATH}/${gone}`).expect(204);
    const other = await seedOfficer();
    await connect(other, client('kept'));

    await remove(officer);

    const nothing = { secrets: 0, ended: true };
    expect(await rowsOf(officer)).toStrictEqual([nothing, nothing, nothing]);
    expect(await rowsOf(other)).toStrictEqual([{ secrets: 1, ended: false }]);
    const events = await auditOf('SSO_CONNECTION_DELETED', officer.tenantId);
    const ended = { reason: 'tenant_deleted', via: 'operator' };
    expect(events).toHaveLength(3);
    expect(events).toMatchObject(
      expect.arrayContaining([
        expect.objectContaining({ subject: `sso-connection:${gone}` }),
        expect.objectContaining({
          subject: `sso-connection:${rotated}`,
          details: expect.objectContaining(ended),
        }),
        expect.objectContaining({
          subject: `sso-connection:${draft}`,
          details: expect.objectContaining(ended),
        }),
      ]),
    );
    const [deleted] = await auditOf('TENANT_DELETED', officer.tenantId);
    expect(deleted?.details).toMatchObject({ ssoConnections: 2 });
  });

  it('keeps its secrets if the deletion fails, because both are one transaction', async () => {
    const officer = await seedOfficer();
    await connect(officer, client('kept'));
    await db.execute(
      sql`CREATE FUNCTION refuse_deletion() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.action = 'TENANT_DELETED' THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END $$`,
    );
    await db.execute(
      sql`CREATE TRIGGER refuse_deletion BEFORE INSERT ON audit_logs FOR EACH ROW EXECUTE FUNCTION refuse_deletion()`,
    );
    try {
      await expect(remove(officer)).rejects.toThrow();
    } finally {
      await db.execute(sql`DROP FUNCTION refuse_deletion CASCADE`);
    }
    expect(await rowsOf(officer)).toStrictEqual([{ secrets: 1, ended: false }]);
    expect(await auditOf('SSO_CONNECTION_DELETED', officer.tenantId)).toEqual([]);
  });
});
