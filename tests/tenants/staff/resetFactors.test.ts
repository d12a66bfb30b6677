import { db } from '@/server/db';
import { passkeys, recoveryCodes, tenantStaff } from '@/server/db/schema';
import { eq } from 'drizzle-orm';
import { auditOf } from '@/tests/helpers/database/authRows';
import { me } from '@/tests/helpers/http/authCalls';
import { openMailNode } from '@/tests/helpers/mail/mailNode';
import { startMailServer } from '@/tests/helpers/mail/mailServer';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import { as, choosePolicy } from '@/tests/helpers/people/officer';
import { HOME, attemptLogin } from '@/tests/helpers/people/traveller';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { giveFactor } from '@/tests/helpers/stepUp/secondFactor';
import { buildApp } from '@/tests/helpers/server/testApp';

type Server = Awaited<ReturnType<typeof startMailServer>>;
let server: Server;
let node: ReturnType<typeof openMailNode>;

beforeAll(async () => {
  server = await startMailServer();
  node = openMailNode(server);
});

/** Creates a member with a factor of each kind. */
async function seedMember(admin: SeededAuth): Promise<SeededAuth> {
  const member = await seedTestUserAndToken({ tenantId: admin.tenantId });
  const { tenantId, userId, staffId } = member;
  await giveFactor(member);
  const own = { tenantId, userId, staffId };
  const key = { name: 'Key', publicKey: Buffer.from([0]), transports: [], backedUp: false };
  await db.insert(passkeys).values({ ...own, ...key, credentialId: staffId });
  await db.insert(recoveryCodes).values([
    { ...own, codeHash: 'left' },
    { ...own, codeHash: 'used', usedAt: new Date() },
  ]);
  return member;
}

const reset = (app: typeof node.app, admin: SeededAuth, who: SeededAuth, body: object) =>
  as(app, admin).post(`/api/tenants/staff/${who.staffId}/reset-factors`, body);

describe('the reset of the factors of a member', () => {
  it('removes all of this membership alone, ends the sessions, and is recorded with its reason', async () => {
    const admin = await seedAdministrator();
    const member = await seedMember(admin);
    const colleague = await seedMember(admin);
    const body = { reason: 'The phone was lost', ticket: 'IT-3' };
    const res = await reset(node.app, admin, member, body);
    expect([res.status, res.body]).toEqual([
      200,
      { removed: { totp: 1, passkeys: 1, recoveryCodes: 2 }, proofs: ['email'] },
    ]);
    expect((await me(node.app, member.token)).body.error).toBe('FORCE_LOGOUT');
    expect(await auditOf('FACTORS_RESET', admin.tenantId)).toMatchObject([
      {
        actor: admin.staffId,
        subject: `staff:${member.staffId}`,
        details: { ...body, via: 'api', requestedBy: admin.staffId },
      },
    ]);
    const removed = await auditOf('FACTOR_REMOVED', admin.tenantId);
    expect(removed.map(({ subject }) => subject)).toEqual(
      Array.from({ length: 3 }, () => `staff:${member.staffId}`),
    );
    const shown = await as(node.app, admin).get(`/api/tenants/staff/${colleague.staffId}`);
    expect(shown.body.factors).toEqual({ totp: 1, passkeys: 1, recoveryCodes: 1 });
  });

  it('is announced to the person, without the place of the administrator', async () => {
    const admin = await seedAdministrator();
    const member = await seedMember(admin);
    expect((await reset(node.app, admin, member, { reason: 'Lost' })).status).toBe(200);
    const mail = await server.mailTo(member.email);
    expect(mail.text).toContain('An administrator removed every second factor from your account');
    expect(mail.text).not.toContain('Device:');
  });

  it('makes the next login prove by mail, so that the password alone is not enough', async () => {
    const admin = await seedAdministrator();
    const member = await seedMember(admin);
    await reset(node.app, admin, member, { reason: 'Lost' });
    const res = await attemptLogin(node.app, member, HOME);
    expect([res.status, res.body.methods]).toEqual([428, ['email']]);
  });

  it('leaves the next login to the policy if no proof by mail is possible', async () => {
    const none = { smtp: undefined, from: undefined, publicUrl: undefined };
    const { app } = buildApp({ production: true, mail: none });
    const admin = await seedAdministrator();
    const member = await seedMember(admin);
    const res = await reset(app, admin, member, { reason: 'Lost' });
    expect(res.body.proofs).toEqual([]);
    const [row] = await db.select().from(tenantStaff).where(eq(tenantStaff.id, member.staffId));
    expect(row?.mustProveLogin).toBe(false);
  });

  it('under a policy that demands a factor, the next login has to enrol one', async () => {
    const admin = await seedAdministrator();
    await choosePolicy(node.app, admin, { secondFactor: 'always' });
    const member = await seedMember(admin);
    await reset(node.app, admin, member, { reason: 'Lost' });
    const res = await attemptLogin(node.app, member, HOME);
    expect(res.body).toMatchObject({ mustEnrol: true, methods: ['email'] });
  });

  it('needs a reason of 1 to 500 characters', async () => {
    const admin = await seedAdministrator();
    const member = await seedMember(admin);
    for (const body of [
      {},
      { reason: '' },
      { reason: ' ' },
      { reason: 'x'.repeat(501) },
      { reason: 7 },
    ]) {
      expect((await reset(node.app, admin, member, body)).status).toBe(400);
    }
    expect((await me(node.app, member.token)).status).toBe(200);
  });
});
