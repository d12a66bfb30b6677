import { randomBytes, randomUUID } from 'node:crypto';
import { eq, sql } from 'drizzle-orm';
import request from 'supertest';
import { runMaintenance } from '@/server/bootstrap/maintenance';
import { db } from '@/server/db';
import { uuidV7 } from '@/server/db/ids';
import { mails, passwordResets, tenantStaff, users } from '@/server/db/schema';
import { tagId } from '@/server/taggedId';
import {
  disableStaff,
  enableStaff,
  renameStaff,
  restoreTenant,
  setPassword,
  suspendTenant,
} from '@/server/tenants';
import { login, me } from '@/tests/helpers/http/authCalls';
import { NEW_PASSWORD, forgot, reset } from '@/tests/helpers/http/passwordCalls';
import { openResetLinks } from '@/tests/helpers/mail/resetLinks';
import type { ResetLinks } from '@/tests/helpers/mail/resetLinks';
import { HOME } from '@/tests/helpers/people/traveller';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';

const RESET = { purpose: 'password-reset', prefix: 'pwr_' } as const;

let links: ResetLinks;
let node: ResetLinks['node'];
let other: ResetLinks['other'];
beforeAll(async () => {
  links = await openResetLinks();
  ({ node, other } = links);
});

const statusOf = async (who: SeededAuth, password: string) =>
  (await login(node.app, { ...who, password }, HOME)).status;
const open = (path: string) => request(node.app).get(path);

describe('a link does not work', () => {
  async function expectDead(path: string, member?: SeededAuth): Promise<void> {
    const page = await open(path);
    expect([page.status, page.type]).toEqual([404, 'text/html']);
    const res = await reset(node.app, path);
    expect([res.status, res.body.error]).toEqual([404, 'NOT_FOUND']);
    if (member) expect(await statusOf(member, NEW_PASSWORD)).toBe(401);
  }

  it('after 20 minutes', async () => {
    const { member, path } = await links.forgetful();
    node.clock.forward(20 * 60 - 1);
    expect((await open(path)).status).toBe(200);
    node.clock.forward(1);
    await expectDead(path, member);
  });

  it('if a newer one was sent, also if several were asked for at once', async () => {
    const member = await seedTestUserAndToken();
    const asked = Array.from({ length: 3 }, (_, index) =>
      forgot(index % 2 === 0 ? node.app : other.app, member.email, HOME),
    );
    await Promise.all(asked);
    await other.deps.mail.settle();
    const paths = await links.linksTo(member);
    expect(paths).toHaveLength(3);
    const statuses = [];
    // By the clock of the node that was not moved.
    for (const path of paths) statuses.push((await request(other.app).get(path)).status);
    expect(statuses.sort()).toEqual([200, 404, 404]);
  });

  it('if it was made up, or is the id of a row, or was made for another purpose', async () => {
    const { path } = await links.forgetful();
    const [row] = await db
      .select()
      .from(passwordResets)
      .orderBy(sql`created_at DESC`)
      .limit(1);
    const id = row?.id ?? '';
    expect(path.endsWith(tagId(node.deps.keys, RESET, id))).toBe(true);
    const made = [
      ...[id, `pwr_${id}`, 'pwr_', `${tagId(node.deps.keys, RESET, id)}A`],
      tagId(node.deps.keys, { ...RESET, purpose: 'notice' }, id),
      tagId(node.deps.keys, RESET, randomUUID()),
    ];
    for (const token of made) await expectDead(`/api/auth/password/reset/${token}`);
    expect((await open(path)).status).toBe(200);
  });

  it('after an operator has set a password, or the address has changed', async () => {
    const [one, two] = [await links.forgetful(), await links.forgetful()];
    const passwordHash = await node.deps.passwords.hash('given by an operator');
    await setPassword(node.deps, operatorContext, one.member, passwordHash, 'operator');
    await expectDead(one.path, one.member);
    const { userId, email: from } = two.member;
    const to = `moved-${randomUUID()}@example.com`;
    await renameStaff(node.deps, operatorContext, { userId, from, to });
    await expectDead(two.path, { ...two.member, email: to });
  });

  it('after a password was written past this release', async () => {
    const { member, path } = await links.forgetful();
    await db
      .update(users)
      .set({ passwordChangedAt: sql`clock_timestamp() + interval '1 millisecond'` })
      .where(eq(users.id, member.userId));
    await expectDead(path, member);
  });

  it('after its person was disabled, also if they are enabled again', async () => {
    const { member, path } = await links.forgetful();
    await disableStaff(node.deps, operatorContext, member, { via: 'operator' });
    await expectDead(path);
    await enableStaff(node.deps, operatorContext, member, { via: 'operator' });
    await expectDead(path, member);
  });

  it.each([
    ['the person', sql`UPDATE users SET status = 'disabled' WHERE id = `, 'userId'],
    ['the only tenant', sql`UPDATE tenants SET status = 'suspended' WHERE id = `, 'tenantId'],
    ['the only membership', sql`UPDATE tenant_staff SET status = 'removed' WHERE id = `, 'staffId'],
  ] as const)('while %s is closed', async (_what, close, key) => {
    const { member, path } = await links.forgetful();
    await db.execute(sql`${close} ${member[key]}`);
    await expectDead(path);
  });

  it('after their only tenant was suspended, also if it is restored', async () => {
    const { member, path } = await links.forgetful();
    await suspendTenant(node.deps, operatorContext, member);
    await expectDead(path);
    await restoreTenant(node.deps, operatorContext, member);
    await expectDead(path, member);
  });

  it('but it does while another membership of the person is open', async () => {
    const { member, path } = await links.forgetful();
    const { tenantId, tenantSlug: tenant } = await seedTestUserAndToken();
    await db.insert(tenantStaff).values({ tenantId, userId: member.userId });
    await disableStaff(node.deps, operatorContext, member, { via: 'operator' });
    expect((await reset(node.app, path)).status).toBe(200);
    const res = await login(node.app, { ...member, password: NEW_PASSWORD, tenant }, HOME);
    expect(res.status).toBe(200);
    expect((await me(node.app, String(res.body.accessToken))).status).toBe(200);
  });
});

it('old links are deleted after 30 days, and nothing newer', async () => {
  const [old, young] = [await links.forgetful(), await links.forgetful()];
  const monthAgo = node.clock.now().getTime() - 31 * 86_400_000;
  await db
    .update(passwordResets)
    .set({ id: uuidV7(monthAgo, randomBytes(16)) })
    .where(eq(passwordResets.userId, old.member.userId));
  await runMaintenance(node.deps);
  const left = await db.select({ userId: passwordResets.userId }).from(passwordResets);
  const people = left.map(({ userId }) => userId);
  expect(people).not.toContain(old.member.userId);
  expect(people).toContain(young.member.userId);
  expect(await db.select().from(mails).where(eq(mails.userId, young.member.userId))).toHaveLength(
    1,
  );
});
