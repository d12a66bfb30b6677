import type { Express } from 'express';
import { eq } from 'drizzle-orm';
import { Client } from 'pg';
import { db } from '@/server/db';
import { tenantStaff } from '@/server/db/schema';
import { ADMINISTERING } from '@/server/permissions';
import { changeAccess, disableStaff, removeStaff } from '@/server/tenants';
import { untilWaiting } from '@/tests/helpers/database/heldToken';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import { as } from '@/tests/helpers/people/officer';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { closeLater } from '@/tests/helpers/server/closing';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { buildApp } from '@/tests/helpers/server/testApp';

/** Two nodes of one server, on one database. */
const nodes = [buildApp(), buildApp()] as const;
const ROUNDS = 12;

type Act = (app: Express, actor: SeededAuth, subject: SeededAuth) => PromiseLike<Answer>;
interface Answer {
  status: number;
  body: { error?: string };
}

const path = ({ staffId }: SeededAuth, tail = '') => `/api/tenants/staff/${staffId}${tail}`;
const ACTS: [string, Act][] = [
  ['remove', (app, actor, subject) => as(app, actor).del(path(subject))],
  ['disable', (app, actor, subject) => as(app, actor).post(path(subject, '/disable'), {})],
  [
    'demote',
    (app, actor, subject) =>
      as(app, actor).put(path(subject, '/roles'), { roles: [], permissions: [] }),
  ],
];

/** Counts the members who can administer the tenant. */
async function administratorsOf(tenantId: string): Promise<number> {
  const rows = await db.select().from(tenantStaff).where(eq(tenantStaff.tenantId, tenantId));
  return rows.filter(
    ({ status, permissions }) =>
      status === 'active' && ADMINISTERING.every((one) => permissions.includes(one)),
  ).length;
}

async function seedPair(): Promise<[SeededAuth, SeededAuth]> {
  const one = await seedAdministrator();
  return [one, await seedAdministrator({ tenantId: one.tenantId })];
}

const codeOf = ({ status, body }: Answer) => (status < 300 ? 'done' : body.error);

describe('two administrators who act at the same time on two nodes', () => {
  it.each(ACTS)('and %s each other: one of them stays', async (_name, act) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const [one, other] = await seedPair();
      const answers = await Promise.all([
        act(nodes[0].app, one, other),
        act(nodes[1].app, other, one),
      ]);
      const codes = answers.map(codeOf).sort();
      // The slower one is no administrator any more when the lock is theirs.
      expect(['FORBIDDEN', 'UNAUTHENTICATED', 'FORCE_LOGOUT', 'NOT_YOURS_TO_MANAGE']).toContain(
        codes[0],
      );
      expect(codes[1]).toBe('done');
      expect(await administratorsOf(one.tenantId)).toBe(1);
    }
  });

  it('and give up their own permissions: one gets 409 LAST_ADMINISTRATOR', async () => {
    const demote = ACTS[2]?.[1] as Act;
    for (let round = 0; round < ROUNDS; round += 1) {
      const [one, other] = await seedPair();
      const answers = await Promise.all([
        demote(nodes[0].app, one, one),
        demote(nodes[1].app, other, other),
      ]);
      expect(answers.map(codeOf).sort()).toEqual(['LAST_ADMINISTRATOR', 'done']);
      expect(await administratorsOf(one.tenantId)).toBe(1);
    }
  });
});

describe('two operators who act at the same time on both administrators', () => {
  const how = { via: 'operator' as const };
  it.each([
    [
      'remove',
      (node: number, who: SeededAuth) => removeStaff(nodes[node]!.deps, operatorContext, who, how),
    ],
    [
      'disable',
      (node: number, who: SeededAuth) => disableStaff(nodes[node]!.deps, operatorContext, who, how),
    ],
    [
      'demote',
      (node: number, who: SeededAuth) =>
        changeAccess(nodes[node]!.deps, operatorContext, who, { permissions: { set: [] } }, how),
    ],
  ])('and %s them: one gets LAST_ADMINISTRATOR', async (_name, act) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const [one, other] = await seedPair();
      const settled = await Promise.allSettled([act(0, one), act(1, other)]);
      const refused = settled.filter(({ status }) => status === 'rejected');
      expect(refused).toMatchObject([{ reason: { code: 'LAST_ADMINISTRATOR' } }]);
      expect(await administratorsOf(one.tenantId)).toBe(1);
    }
  });

  it('can insist on taking the last one', async () => {
    const admin = await seedAdministrator();
    const insisting = { via: 'operator' as const, insists: true };
    await expect(
      disableStaff(nodes[0].deps, operatorContext, admin, { via: 'operator' }),
    ).rejects.toMatchObject({ code: 'LAST_ADMINISTRATOR' });
    expect(await disableStaff(nodes[0].deps, operatorContext, admin, insisting)).toBe(true);
    expect(await administratorsOf(admin.tenantId)).toBe(0);
  });
});

describe('an administrator who loses the permission', () => {
  /** Locks a tenant as an administration does, and runs a statement in it. */
  async function holdTenant(tenantId: string, text: string, values: unknown[]) {
    const client = new Client({ connectionString: process.env['DATABASE_URL'] });
    await client.connect();
    closeLater(() => client.end());
    await client.query('BEGIN');
    await client.query('SELECT FROM tenants WHERE id = $1 FOR NO KEY UPDATE', [tenantId]);
    await client.query(text, values);
    return () => client.query('COMMIT');
  }

  it.each(ACTS)('while they %s somebody: 403, and nothing happens', async (_name, act) => {
    const [boss, acting] = await seedPair();
    const victim = await seedTestUserAndToken({ tenantId: boss.tenantId });
    const demote = `UPDATE tenant_staff SET permissions = '{}' WHERE id = $1`;
    const commit = await holdTenant(boss.tenantId, demote, [acting.staffId]);
    const answer = Promise.resolve(act(nodes[1].app, acting, victim));
    await untilWaiting(1);
    await commit();
    expect(codeOf(await answer)).toBe('FORBIDDEN');
    const [row] = await db.select().from(tenantStaff).where(eq(tenantStaff.id, victim.staffId));
    expect(row).toMatchObject({ status: 'active' });
  });

  it.each(ACTS)('cannot %s anybody with a stolen session of theirs', async (_name, act) => {
    const [boss, acting] = await seedPair();
    const victim = await seedTestUserAndToken({ tenantId: boss.tenantId });
    const demote = ACTS[2]?.[1] as Act;
    expect((await demote(nodes[0].app, boss, acting)).status).toBe(200);
    expect(codeOf(await act(nodes[1].app, acting, victim))).toBe('FORBIDDEN');
  });
});
