import { eq } from 'drizzle-orm';
import request from 'supertest';
import { runMaintenance } from '@/server/bootstrap/maintenance';
import { db } from '@/server/db';
import { emailChanges, tenantStaff } from '@/server/db/schema';
import { forceLogout, renameStaff } from '@/server/tenants';
import { setStaffStatus, setTenantStatus, setUserStatus } from '@/tests/helpers/database/authRows';
import { login } from '@/tests/helpers/http/authCalls';
import {
  addressOf,
  newAddress,
  pathIn,
  pressButton,
  openEmailScene,
} from '@/tests/helpers/mail/emailScene';
import type { EmailScene } from '@/tests/helpers/mail/emailScene';
import { openMailNode } from '@/tests/helpers/mail/mailNode';
import { HOME } from '@/tests/helpers/people/traveller';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';

const DAY_SEC = 86_400;
const SIX_MONTHS_SEC = 180 * DAY_SEC;

let scene: EmailScene;
let node: EmailScene['node'];
let other: EmailScene['node'];

beforeAll(async () => {
  scene = await openEmailScene();
  ({ node } = scene);
  other = openMailNode(scene.server);
});

describe('a pending change ends', () => {
  it.each<[string, (who: SeededAuth) => Promise<unknown>]>([
    [
      'the sessions are ended by force',
      (who) => forceLogout(node.deps, operatorContext, who.tenantId, who.staffId),
    ],
    [
      'the person signs out everywhere',
      (who) =>
        request(node.app).post('/api/auth/logout-all').set('authorization', `Bearer ${who.token}`),
    ],
    [
      'the reader of the notice at the old address says that it was not them',
      async (who) => {
        const [mail] = await scene.mailsTo(who.email, /^A new e-mail address was asked for/);
        expect((await pressButton(node.app, pathIn(mail?.text))).status).toBe(200);
      },
    ],
    ['the person is disabled', (who) => setUserStatus(who.userId, 'disabled')],
    ['the membership is disabled', (who) => setStaffStatus(who.staffId, 'disabled')],
    ['the tenant is suspended', (who) => setTenantStatus(who.tenantId, 'suspended')],
  ])('when %s', async (_what, end) => {
    const change = await scene.asked();
    await end(change.who);
    await scene.expectUnchanged(change);
  });

  it('when an operator gives the person another address', async () => {
    const { who, path } = await scene.asked();
    const to = newAddress();
    const change = { userId: who.userId, from: who.email, to };
    expect(await renameStaff(node.deps, operatorContext, change)).toBe(true);
    expect((await pressButton(node.app, path)).status).toBe(404);
    const back = { ...change, from: to, to: who.email };
    expect(await renameStaff(node.deps, operatorContext, back)).toBe(true);
    await scene.expectUnchanged({ who, path });
  });

  it('when the person asks for another one: only the newest link works', async () => {
    const first = await scene.asked();
    const second = await scene.asked(first.who);
    await scene.expectUnchanged(first);
    expect((await pressButton(node.app, second.path)).status).toBe(200);
    expect(await addressOf(first.who.userId)).toBe(second.email);
  });

  it('and not when one session ends, or the sessions of the same person elsewhere', async () => {
    const { who, email, path } = await scene.asked();
    const { tenantId } = await seedTestUserAndToken();
    const [there] = await db
      .insert(tenantStaff)
      .values({ tenantId, userId: who.userId })
      .returning({ id: tenantStaff.id });
    await forceLogout(node.deps, operatorContext, tenantId, there?.id ?? '');
    const again = (await login(node.app, { ...who, tenant: who.tenantSlug }, HOME)).body;
    await request(node.app)
      .delete(`/api/auth/sessions/${who.sessionId}`)
      .set('authorization', `Bearer ${again.accessToken}`)
      .expect(204);
    expect((await pressButton(node.app, path)).status).toBe(200);
    expect(await addressOf(who.userId)).toBe(email);
  });

  it('or happens, but never both, when the sessions end at the same moment', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { who, email, path } = await scene.asked();
      const [res] = await Promise.all([
        pressButton(node.app, path),
        forceLogout(other.deps, operatorContext, who.tenantId, who.staffId),
      ]);
      expect([res.status, await addressOf(who.userId)]).toEqual(
        res.status === 200 ? [200, email] : [404, who.email],
      );
    }
  });
});

describe('with time', () => {
  // A node of its own, because the tokens of other tests would expire with its clock.
  beforeEach(async () => {
    scene = await openEmailScene();
    ({ node } = scene);
  });

  it('the link works for a day', async () => {
    const early = await scene.asked();
    node.clock.forward(DAY_SEC - 5);
    expect((await pressButton(node.app, early.path)).status).toBe(200);
  });

  it('the link does nothing after a day', async () => {
    const late = await scene.asked();
    node.clock.forward(DAY_SEC);
    await scene.expectUnchanged(late);
  });

  it('the addresses of old changes are deleted, and those of new ones are not', async () => {
    const { who } = await scene.asked();
    const rows = () => db.select().from(emailChanges).where(eq(emailChanges.userId, who.userId));
    await runMaintenance(node.deps);
    expect(await rows()).toHaveLength(1);
    node.clock.forward(SIX_MONTHS_SEC);
    await runMaintenance(node.deps);
    expect(await rows()).toEqual([]);
  });
});
