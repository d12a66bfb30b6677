import { auditOf } from '@/tests/helpers/database/authRows';
import { me } from '@/tests/helpers/http/authCalls';
import { impersonate, seedPair } from '@/tests/helpers/people/impersonators';
import { operate } from '@/tests/helpers/server/operatorCommand';
import { externalEnv } from '@/tests/helpers/server/serverProcess';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app } = buildApp();
const run = (...words: string[]) => operate(externalEnv(), ['impersonation', ...words]);

it('admin impersonation lists who acts as whom, and ends it while the nodes run', async () => {
  const { actor, subject } = await seedPair();
  const { id, token } = await impersonate(app, { actor, subject });
  const tenant = ['--tenant', actor.tenantSlug];
  const listed = await run('list', ...tenant);
  expect(JSON.parse(listed.stdout)).toMatchObject({
    impersonations: [{ id, actor: actor.staffId, subject: subject.staffId, scope: 'read_only' }],
  });
  expect((await me(app, token)).status).toBe(200);
  const ended = await run('end', ...tenant, '--impersonation', id);
  expect(JSON.parse(ended.stdout)).toMatchObject({
    ended: true,
    opened: [{ route: 'GET /api/auth/me', times: 1 }],
  });
  expect((await me(app, token)).status).toBe(401);
  const [event] = await auditOf('IMPERSONATION_ENDED', actor.tenantId);
  expect(event).toMatchObject({ actor: actor.staffId, onBehalfOf: subject.staffId });
  expect(event?.details).toMatchObject({
    end: 'operator',
    by: expect.stringMatching(/^operator:/),
  });
  const again = await run('end', ...tenant, '--impersonation', id);
  expect([again.code, again.stderr]).toEqual([
    1,
    expect.stringContaining(`There is no running impersonation '${id}'.`),
  ]);
});
