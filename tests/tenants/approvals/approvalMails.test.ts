import { sql } from 'drizzle-orm';
import { db } from '@/server/db';
import { openMailNode } from '@/tests/helpers/mail/mailNode';
import { startMailServer } from '@/tests/helpers/mail/mailServer';
import type { MailServer } from '@/tests/helpers/mail/mailServer';
import { demandApprovals, seedAdministrators } from '@/tests/helpers/people/fourEyes';
import { as } from '@/tests/helpers/people/officer';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';

let server: MailServer;
let node: ReturnType<typeof openMailNode>;
beforeAll(async () => {
  server = await startMailServer();
  node = openMailNode(server);
});

async function seedTenant() {
  const [ann, bob, cyd] = (await seedAdministrators(3)) as [SeededAuth, SeededAuth, SeededAuth];
  await demandApprovals(node.app, ann);
  const dan = await seedTestUserAndToken({ tenantId: ann.tenantId });
  const ask = () =>
    as(node.app, ann).put(`/api/tenants/staff/${dan.staffId}/roles`, {
      roles: ['security_admin'],
    });
  return { ann, bob, cyd, dan, ask };
}

const kindsTo = async ({ tenantId }: SeededAuth) =>
  (
    await db.execute<{ staffId: string }>(sql`SELECT staff_id AS "staffId" FROM mails
      WHERE tenant_id = ${tenantId}::uuid AND kind = 'approval_requested' ORDER BY staff_id`)
  ).rows.map(({ staffId }) => staffId);

describe('a request for an approval', () => {
  it('is mailed to each administrator who can approve it, and to nobody else', async () => {
    const { ann, bob, cyd, ask } = await seedTenant();
    const { body } = await ask().expect(202);
    const mail = await server.mailTo(bob.email);
    expect(mail.text).toContain(`${ann.email} asked for a change`);
    expect(mail.text).toContain('SETTINGS_SECURITY_EDIT');
    expect(mail.text).toContain(String(body.approval.id));
    expect(mail.text).not.toMatch(/https?:/);
    expect(await kindsTo(ann)).toEqual([bob.staffId, cyd.staffId].sort());
  });

  it('is refused, and not mailed, if a hundred are open, until one of them has ended', async () => {
    const { ann, ask } = await seedTenant();
    const { body } = await ask().expect(202);
    const id = String(body.approval.id);
    await db.execute(sql`INSERT INTO approval_requests (tenant_id, id, kind, staff_id, user_id, change, reason, ticket,
        requester_staff_id, requester_user_id, created_at, expires_at)
      SELECT tenant_id, gen_random_uuid(), kind, staff_id, user_id, change, reason, ticket,
        requester_staff_id, requester_user_id, created_at, expires_at
      FROM approval_requests, generate_series(2, 100) WHERE id = ${id}::uuid`);
    const mailed = await kindsTo(ann);
    const refused = await ask().expect(409);
    expect(refused.body).toMatchObject({ error: 'TOO_MANY_APPROVALS' });
    expect(await kindsTo(ann)).toEqual(mailed);
    await as(node.app, ann).post(`/api/tenants/approvals/${id}/withdraw`, {}).expect(200);
    await ask().expect(202);
  });
});
