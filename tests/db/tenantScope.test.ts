import { randomUUID } from 'node:crypto';
import { eq, sql } from 'drizzle-orm';
import { PgSelectBase } from 'drizzle-orm/pg-core';
import { db } from '@/server/db';
import type { Db, Tx } from '@/server/db';
import { BYPASSES } from '@/server/db/schema/bypasses';
import type { BypassName } from '@/server/db/schema/bypasses';
import {
  apiKeys,
  invitations,
  refreshTokens,
  tenantRoles,
  tenantStaff,
  userSessions,
} from '@/server/db/schema';
import { readCheckedSessions, sessionKey } from '@/server/auth/sessionStore';
import { acrossTenants, inTenant } from '@/server/db/tenantScope';
import { listInvitationRows } from '@/server/tenants/invitationStore';
import { countMembers } from '@/server/tenants/lifecycleStore';
import { listOwnRoles } from '@/server/tenants/roleStore';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const { deps } = buildApp({ databasePoolSize: 1 });

/** Creates a tenant with a role and an invitation of its own. */
async function openTenant(): Promise<string> {
  const { tenantId, staffId, userId } = await seedTestUserAndToken();
  await db.insert(apiKeys).values({
    ...{ tenantId, staffId, userId, name: 'Robot', keyId: 'key' },
    ...{ secretHash: Buffer.from(tenantId), expiresAt: new Date('2100-01-01') },
  });
  await db.insert(tenantRoles).values({ tenantId, name: 'Support' });
  await db.insert(invitations).values({
    ...{ tenantId, email: 'new@example.com', roles: [], permissions: [] },
    ...{ linkId: randomUUID(), delivery: 'link' as const, expiresAt: new Date('2100-01-01') },
  });
  return tenantId;
}

let ours: string;
let theirs: string;
beforeAll(async () => {
  [ours, theirs] = [await openTenant(), await openTenant()];
});

const tenantsOf = async (tx: Db | Tx) => {
  const { rows } = await tx.execute<{ id: string }>(
    sql`SELECT DISTINCT tenant_id AS id FROM tenant_roles WHERE tenant_id IN (${ours}, ${theirs})`,
  );
  return rows.map(({ id }) => id);
};

describe('a statement whose WHERE was forgotten', () => {
  /** Removes every condition of every SELECT that the query builder makes. */
  const forgetConditions = () =>
    jest.spyOn(PgSelectBase.prototype, 'where').mockImplementation(function (this: unknown) {
      return this as never;
    });
  afterEach(() => jest.restoreAllMocks());

  it('shows other tenants to a role that policies do not bind, which proves that it is forgotten', async () => {
    forgetConditions();
    const roles = await listOwnRoles(db, ours);
    expect(roles.length).toBeGreaterThan(1);
  });

  it('shows only the own roles of the tenant that the store function was given', async () => {
    const own = await listOwnRoles(deps.db, ours);
    forgetConditions();
    expect(await listOwnRoles(deps.db, ours)).toEqual(own);
    expect(await listOwnRoles(deps.db, randomUUID())).toEqual([]);
  });

  it('shows only the own invitations of the tenant that the store function was given', async () => {
    forgetConditions();
    const listed = await listInvitationRows(deps.db, ours, { limit: 100, now: new Date() });
    expect(listed.map(({ tenantId }) => tenantId)).toEqual([ours]);
  });

  it('counts only the own members of the tenant that the store function was given', async () => {
    forgetConditions();
    expect(await countMembers(deps.db, ours)).toEqual({ active: 1, disabled: 0 });
    expect((await countMembers(db, ours)).active).toBeGreaterThan(1);
  });

  it('changes and deletes no row of another tenant', async () => {
    const changed = await inTenant(deps.db, ours, (tx) =>
      tx.update(tenantRoles).set({ description: 'All' }).returning({ of: tenantRoles.tenantId }),
    );
    expect(changed).toEqual([{ of: ours }]);
    const counted = () => db.$count(tenantRoles);
    const before = await counted();
    await inTenant(deps.db, randomUUID(), (tx) => tx.delete(tenantRoles));
    expect(await counted()).toBe(before);
  });
});

describe('a transaction that names no tenant', () => {
  it('sees no row', async () => {
    expect(await tenantsOf(deps.db)).toEqual([]);
    expect(await deps.db.transaction(tenantsOf)).toEqual([]);
    expect((await tenantsOf(db)).length).toBe(2);
  });

  it.each([
    ['members', tenantStaff],
    ['sessions', userSessions],
    ['refresh tokens', refreshTokens],
    ['API keys', apiKeys],
  ])('sees none of the %s, and one that names a tenant sees only its own', async (_what, table) => {
    expect(await deps.db.$count(table)).toBe(0);
    const own = eq(table.tenantId, ours);
    expect(await inTenant(deps.db, ours, (tx) => tx.$count(table))).toBe(
      await db.$count(table, own),
    );
    expect(await db.$count(table, own)).toBeLessThan(await db.$count(table));
  });

  it('can write no row', async () => {
    const write = deps.db
      .insert(tenantRoles)
      .values({ tenantId: ours, name: 'Unscoped' })
      .catch((error: Error) => (error.cause as { code?: string }).code);
    expect(await write).toBe('42501');
    expect(await db.$count(tenantRoles, sql`name = 'Unscoped'`)).toBe(0);
  });
});

describe('a transaction that names a tenant', () => {
  it('sees its rows alone, and writes none of another tenant', async () => {
    expect(await inTenant(deps.db, ours, tenantsOf)).toEqual([ours]);
    const write = inTenant(deps.db, ours, (tx) =>
      tx.insert(tenantRoles).values({ tenantId: theirs, name: 'Smuggled' }),
    );
    await expect(write).rejects.toThrow();
    const move = inTenant(deps.db, ours, (tx) => tx.update(tenantRoles).set({ tenantId: theirs }));
    await expect(move).rejects.toThrow();
    expect(await db.$count(tenantRoles, sql`name = 'Smuggled'`)).toBe(0);
  });

  it('leaves nothing behind on its connection, whether it commits or rolls back', async () => {
    await inTenant(deps.db, ours, tenantsOf);
    expect(await tenantsOf(deps.db)).toEqual([]);
    await expect(
      inTenant(deps.db, ours, () => Promise.reject(new Error('rolled back'))),
    ).rejects.toThrow('rolled back');
    expect(await tenantsOf(deps.db)).toEqual([]);
    await expect(
      acrossTenants(deps.db, 'link', () => Promise.reject(new Error('rolled back'))),
    ).rejects.toThrow('rolled back');
    expect(await deps.db.$count(invitations)).toBe(0);
  });

  it('is begun in one message, so that it costs no round trip', async () => {
    const client = await deps.pool.connect();
    const sent = jest.spyOn(client, 'query');
    client.release();
    await inTenant(deps.db, ours, tenantsOf);
    expect(sent).toHaveBeenCalledTimes(3);
    sent.mockRestore();
  });

  it('takes another tenant for a part of it, and goes on with its own', async () => {
    await inTenant(deps.db, ours, async (tx) => {
      expect(await inTenant(tx, theirs, tenantsOf)).toEqual([theirs]);
      expect(await tenantsOf(tx)).toEqual([ours]);
      await expect(inTenant(tx, theirs, () => Promise.reject(new Error('no')))).rejects.toThrow();
      expect(await tenantsOf(tx)).toEqual([ours]);
    });
  });

  it('keeps its tenant after a savepoint was rolled back that named it first', async () => {
    await deps.db.transaction(async (tx) => {
      const inner = tx.transaction((save) =>
        inTenant(save, ours, () => Promise.reject(new Error('undone'))),
      );
      await expect(inner).rejects.toThrow('undone');
      expect(await tenantsOf(tx)).toEqual([]);
      expect(await inTenant(tx, ours, tenantsOf)).toEqual([ours]);
      expect(await tenantsOf(tx)).toEqual([ours]);
    });
  });

  it.each(["' OR true --", '', 'null', "'; SET LOCAL gatehouse.bypass = 'purge"])(
    'refuses %j as a tenant before anything is sent',
    async (tenantId) => {
      const work = jest.fn();
      await expect(inTenant(deps.db, tenantId, work)).rejects.toThrow('invalid tenant');
      expect(work).not.toHaveBeenCalled();
    },
  );
});

it('the check of a session finds it in the tenant of its token alone', async () => {
  const [session] = await db
    .select({ id: userSessions.id })
    .from(userSessions)
    .where(eq(userSessions.tenantId, ours));
  const look = async (tenantId: string) => {
    const key = sessionKey(tenantId, session?.id ?? '');
    return [...(await readCheckedSessions(deps.pool, [key], new Date())).keys()];
  };
  expect(await look(ours)).toEqual([sessionKey(ours, session?.id ?? '')]);
  expect(await look(theirs)).toEqual([]);
});

describe('a bypass', () => {
  const invited = (tx: Tx) => tx.$count(invitations);

  it('opens the tables that it lists, for its own work alone', async () => {
    await deps.db.transaction(async (tx) => {
      expect(await acrossTenants(tx, 'link', invited)).toBeGreaterThan(1);
      expect(await invited(tx)).toBe(0);
    });
  });

  it.each(Object.keys(BYPASSES) as BypassName[])(
    'opens no table that it does not list: %s',
    async (name) => {
      const { rows } = await db.execute<{ table: string }>(
        sql`SELECT relname AS "table" FROM pg_class
          WHERE relrowsecurity AND relnamespace = 'public'::regnamespace`,
      );
      for (const { table } of rows) {
        if ((BYPASSES[name].tables as readonly string[]).includes(table)) continue;
        const seen = acrossTenants(deps.db, name, (tx) => tx.$count(sql`${sql.identifier(table)}`));
        expect([table, await seen]).toEqual([table, 0]);
      }
    },
  );

  it('that is not in the list opens nothing', async () => {
    const seen = acrossTenants(deps.db, 'everything' as BypassName, invited);
    expect(await seen).toBe(0);
  });
});

it('the applications of the tests connect as a role that policies bind', async () => {
  const { rows } = await deps.pool.query(
    `SELECT rolsuper OR rolbypassrls AS unbound FROM pg_roles WHERE rolname = current_user`,
  );
  expect(rows).toEqual([{ unbound: false }]);
});

it('a pooler that assigns sessions to transactions changes none of it', async () => {
  // Another text for the same database, because the route is declared for the URL.
  const databaseUrl = `${deps.config.databaseUrl}?keepalives=1`;
  const { deps: pooled } = buildApp({ databaseUrl, databasePooler: 'transaction' });
  expect(await inTenant(pooled.db, ours, tenantsOf)).toEqual([ours]);
  expect(await tenantsOf(pooled.db)).toEqual([]);
  const limits = await inTenant(pooled.db, ours, (tx) =>
    tx.execute(sql`SELECT current_setting('statement_timeout') AS "timeout"`),
  );
  expect(limits.rows).toEqual([{ timeout: `${pooled.config.databaseStatementTimeoutMs / 1000}s` }]);
});
