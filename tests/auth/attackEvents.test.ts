import { randomUUID } from 'node:crypto';
import { and, eq, isNull } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { auditLogs, failedAttempts, tenantStaff } from '@/server/db/schema';
import { fromAddress, login } from '@/tests/helpers/http/authCalls';
import { auditOf } from '@/tests/helpers/database/authRows';
import { openNode } from '@/tests/helpers/server/openNode';
import type { Node } from '@/tests/helpers/server/openNode';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';

const WRONG = 'not the right password';

const sprays = async () =>
  (
    await db
      .select()
      .from(auditLogs)
      .where(and(eq(auditLogs.action, 'LOGIN_SPRAY_DETECTED'), isNull(auditLogs.tenantId)))
      .orderBy(auditLogs.id)
  ).map(({ details, ip }) => ({ details, ip }));

const failAt = (node: Node, address: string) =>
  login(
    node.app,
    { email: `nobody-${randomUUID()}@example.com`, password: WRONG },
    fromAddress(address),
  );

beforeEach(async () => {
  await db.delete(failedAttempts);
});

describe('a 409 that confirms a password and names tenants', () => {
  it('is recorded in the log of each tenant that it names, with who', async () => {
    const { app } = openNode();
    const member = await seedTestUserAndToken();
    const other = await seedTestUserAndToken();
    const staff = { tenantId: other.tenantId, userId: member.userId };
    const [second] = await db.insert(tenantStaff).values(staff).returning();
    expect((await login(app, member)).status).toBe(409);
    const [here] = await auditOf('LOGIN_TENANTS_OFFERED', member.tenantId);
    const [there] = await auditOf('LOGIN_TENANTS_OFFERED', other.tenantId);
    expect(here).toMatchObject({ actor: member.staffId, outcome: 'success', details: {} });
    expect(there).toMatchObject({ actor: second?.id, outcome: 'success', details: {} });
  });
});

describe('a refused permission', () => {
  it('is counted in the next event if its own could not be stored, with those before it', async () => {
    const { app, deps, clock } = openNode();
    const member = await seedTestUserAndToken();
    const ask = () =>
      request(app)
        .get('/api/security/risk-decisions')
        .set('authorization', `Bearer ${member.accessToken}`)
        .then(({ status }) => status);
    const counts = async () =>
      (await auditOf('PERMISSION_DENIED', member.tenantId)).map(
        ({ details }) => (details as { repeated: number }).repeated,
      );
    expect([await ask(), await ask(), await ask()]).toStrictEqual([403, 403, 403]);
    clock.advance(61);
    jest.spyOn(deps.db, 'transaction').mockRejectedValueOnce(new Error('the insert failed'));
    expect(await ask()).toBe(500);
    expect(await counts()).toStrictEqual([0]);
    expect([await ask(), await ask()]).toStrictEqual([403, 403]);
    expect(await counts()).toStrictEqual([0, 3]);
    clock.advance(61);
    expect(await ask()).toBe(403);
    expect(await counts()).toStrictEqual([0, 3, 1]);
  });

  it('is recorded with who and which tenant, once a minute however often it is asked for', async () => {
    const { app, clock } = openNode();
    const member = await seedTestUserAndToken();
    const ask = () =>
      request(app)
        .get('/api/security/risk-decisions')
        .set('authorization', `Bearer ${member.accessToken}`);
    const events = async () =>
      (await auditOf('PERMISSION_DENIED', member.tenantId)).map(
        ({ actor, outcome, details, sessionId }) => ({ actor, outcome, details, sessionId }),
      );
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask()));
    expect(new Set(answers.map(({ status }) => status))).toStrictEqual(new Set([403]));
    const about = { actor: member.staffId, outcome: 'denied', sessionId: member.sessionId };
    const permission = 'SETTINGS_SECURITY_VIEW';
    const first = { ...about, details: { permission, repeated: 0 } };
    expect(await events()).toStrictEqual([first]);
    clock.advance(61);
    expect((await ask()).status).toBe(403);
    expect(await events()).toStrictEqual([
      first,
      { ...about, details: { permission, repeated: 19 } },
    ]);
  });
});

describe('a spray', () => {
  it('from one address over five accounts is recorded once, and again in the next window', async () => {
    const node = openNode();
    const before = (await sprays()).length;
    for (let account = 0; account < 9; account += 1) await failAt(node, '203.0.113.90');
    const found = (await sprays()).slice(before);
    expect(found).toStrictEqual([
      { details: { over: 'address', failures: 5, accounts: 5 }, ip: '203.0.113.90' },
    ]);
    node.clock.advance(901);
    for (let account = 0; account < 5; account += 1) await failAt(node, '203.0.113.90');
    expect(await sprays()).toHaveLength(before + 2);
  });

  it('over many addresses raises one event for the whole, also when all fail at once on two nodes', async () => {
    const limit = (config: Node['deps']['config']) => ({
      ...config,
      loginFailures: { ...config.loginFailures, global: 12 },
    });
    const nodes = [openNode(limit), openNode(limit)];
    const before = (await sprays()).length;
    await Promise.all(
      Array.from({ length: 30 }, (_, number) =>
        failAt(nodes[number % 2] as Node, `203.0.113.${100 + number}`),
      ),
    );
    const found = (await sprays()).slice(before);
    expect(found).toHaveLength(1);
    expect(found[0]?.details).toMatchObject({ over: 'installation' });
  });
});
