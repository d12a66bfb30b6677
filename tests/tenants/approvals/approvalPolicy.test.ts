import request from 'supertest';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import { auditOf } from '@/tests/helpers/database/authRows';
import { demandApprovals, seedAdministrators } from '@/tests/helpers/people/fourEyes';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { operate } from '@/tests/helpers/server/operatorCommand';
import { externalEnv } from '@/tests/helpers/server/serverProcess';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app } = buildApp();
const POLICY = '/api/tenants/current/policy';

const put = (who: SeededAuth, needsApproval: boolean, more: object = {}) =>
  request(app)
    .put(POLICY)
    .set('authorization', `Bearer ${who.token}`)
    .set('x-stepup-test-bypass', '1')
    .send({ needsApproval, ...more });
const read = async (who: SeededAuth) =>
  (await request(app).get(POLICY).set('authorization', `Bearer ${who.token}`)).body as object;
const decide = (who: SeededAuth, id: string, how: string) =>
  request(app)
    .post(`/api/tenants/approvals/${id}/${how}`)
    .set('authorization', `Bearer ${who.token}`)
    .set('x-stepup-test-bypass', '1');

describe('the rule that privileged permissions need an approval', () => {
  it('can be switched on only with two administrators', async () => {
    const ann = await seedAdministrator();
    const refused = await put(ann, true);
    expect([refused.status, refused.body.error]).toEqual([409, 'TOO_FEW_ADMINISTRATORS']);
    expect(await read(ann)).toEqual({ needsApproval: false });
    await seedAdministrator({ tenantId: ann.tenantId });
    expect((await put(ann, true, { ticket: 'SEC-1' })).status).toBe(200);
    expect(await read(ann)).toEqual({ needsApproval: true });
    expect(await auditOf('TENANT_POLICY_CHANGED', ann.tenantId)).toMatchObject([
      { actor: ann.staffId, details: { after: { needsApproval: true }, ticket: 'SEC-1' } },
    ]);
  });

  it('can be switched off only with an approval', async () => {
    const [ann, bob] = (await seedAdministrators(2)) as [SeededAuth, SeededAuth];
    await demandApprovals(app, ann);
    const asked = await put(ann, false, { ticket: 'SEC-2' });
    expect([asked.status, asked.body.approval]).toMatchObject([
      202,
      { kind: 'policy', ticket: 'SEC-2' },
    ]);
    expect(await read(ann)).toEqual({ needsApproval: true });
    const id = String(asked.body.approval.id);
    expect((await decide(ann, id, 'approve')).status).toBe(403);
    expect((await decide(bob, id, 'approve')).status).toBe(200);
    expect(await read(ann)).toEqual({ needsApproval: false });
    expect((await auditOf('TENANT_POLICY_CHANGED', ann.tenantId))[1]).toMatchObject({
      actor: bob.staffId,
      details: { requestedBy: ann.staffId, approvedBy: bob.staffId, ticket: 'SEC-2' },
    });
  });

  it.each(['approve', 'refuse', 'withdraw'])(
    'refuses a field that it would not record: %s',
    async (how) => {
      const [ann, bob] = (await seedAdministrators(2)) as [SeededAuth, SeededAuth];
      await demandApprovals(app, ann);
      const id = String((await put(ann, false)).body.approval.id);
      const decider = how === 'withdraw' ? ann : bob;
      const refused = await decide(decider, id, how).send({ reason: 'No need' });
      expect([refused.status, refused.body.error]).toEqual([400, 'INVALID_INPUT']);
      expect((await decide(decider, id, how)).status).toBe(200);
    },
  );

  it('is not changed, nor recorded, if it is as asked for', async () => {
    const ann = await seedAdministrator();
    expect((await put(ann, false)).status).toBe(200);
    expect(await auditOf('TENANT_POLICY_CHANGED', ann.tenantId)).toEqual([]);
  });

  it('needs the permission to manage roles, and a proof', async () => {
    const ann = await seedTestUserAndToken({ permissions: ['TENANT_STAFF_MANAGE'] });
    expect((await put(ann, true)).status).toBe(403);
    const bob = await seedAdministrator();
    const unproven = request(app).put(POLICY).set('authorization', `Bearer ${bob.token}`);
    expect((await unproven.send({ needsApproval: true })).status).toBe(428);
  });
});

describe('an operator', () => {
  const env = externalEnv();
  const run = async (words: string[]) => {
    const { code, stdout, stderr } = await operate(env, words);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return JSON.parse(stdout) as { approvals: { id: string; status: string }[] };
  };

  it('sees what waits, refuses it, and switches the rule off', async () => {
    const [ann, bob] = (await seedAdministrators(2)) as [SeededAuth, SeededAuth];
    await demandApprovals(app, ann);
    const id = String((await put(ann, false)).body.approval.id);
    const tenant = ['--tenant', ann.tenantSlug];
    const { approvals } = await run(['approvals', 'list', ...tenant, '--status', 'open']);
    expect(approvals).toMatchObject([{ id, status: 'open' }]);
    await run(['approvals', 'refuse', ...tenant, '--approval', id, '--ticket', 'OPS-1']);
    expect((await decide(bob, id, 'approve')).body.error).toBe('APPROVAL_CLOSED');
    expect(await auditOf('APPROVAL_REFUSED', ann.tenantId)).toMatchObject([
      {
        actor: expect.stringMatching(/^operator:/),
        details: { requestedBy: ann.staffId, via: 'operator', ticket: 'OPS-1' },
      },
    ]);
    const off = ['approvals', 'policy', ...tenant, '--needed', 'no'];
    await run(off);
    expect(await read(ann)).toEqual({ needsApproval: false });
    expect((await operate(env, off)).code).toBe(1);
    const unknown = ['approvals', 'refuse', ...tenant, '--approval', 'lost'];
    expect((await operate(env, unknown)).code).toBe(1);
  });
});
