import request from 'supertest';
import { auditOf } from '../helpers/database/authRows';
import { newAddress, tokenOf } from '../helpers/people/invitationCalls';
import { operate } from '../helpers/server/operatorCommand';
import { externalEnv } from '../helpers/server/serverProcess';
import { buildApp } from '../helpers/server/testApp';
import { seedTestUserAndToken } from '../helpers/seedAuth';

const env = externalEnv();

async function run(what: string, slug: string, ...more: string[]) {
  const words = ['invitations', what, '--tenant', slug, ...more];
  const { code, stdout, stderr } = await operate(env, words);
  expect({ code, stderr }).toStrictEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as Record<string, unknown>;
}

it('an operator invites, lists, sends again and revokes; the link is printed once', async () => {
  const { app } = buildApp();
  const { tenantSlug, tenantId } = await seedTestUserAndToken();
  const email = newAddress();
  const words = ['--email', email, '--role', 'owner', '--link', '--ticket', 'OPS-1'];
  const created = await run('create', tenantSlug, ...words);
  const id = String(created['id']);
  const listed = await run('list', tenantSlug, '--status', 'open');
  expect(listed).toMatchObject({ invitations: [{ id, email, invitedBy: null, roles: ['owner'] }] });
  expect(JSON.stringify(listed)).not.toContain('inv_');
  const resent = await run('resend', tenantSlug, '--invitation', id);
  const show = (link: unknown) => request(app).get(`/api/invitations/${tokenOf(String(link))}`);
  expect((await show(created['link'])).status).toBe(404);
  expect((await show(resent['link'])).status).toBe(200);
  await run('revoke', tenantSlug, '--invitation', id);
  expect((await show(resent['link'])).status).toBe(404);
  expect(await auditOf('INVITATION_CREATED', tenantId)).toMatchObject([
    { details: { via: 'operator', ticket: 'OPS-1' } },
  ]);
});
