import { hostname, userInfo } from 'node:os';
import { operatorActor } from '@/server/findOperator';
import { auditOf } from '@/tests/helpers/authRows';
import { operate } from '@/tests/helpers/operatorCommand';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { externalEnv } from '@/tests/helpers/serverProcess';

const env = externalEnv();

describe('the actor of a command', () => {
  it('is the user and the host that ran it, in every event that the command causes', async () => {
    const { tenantSlug: tenant, tenantId, email } = await seedTestUserAndToken();
    const words = ['--tenant', tenant, '--email', email];
    const disable = await operate(env, ['staff', 'disable', ...words]);
    expect(disable.stderr).toBe('');
    const found = `${userInfo().username}@${hostname()}`;
    const actor = operatorActor(undefined, found);
    expect(actor).toMatch(/^operator:[\p{L}\p{N}._+\\-]+@[\p{L}\p{N}._+\\-]+$/u);
    const events = [
      await auditOf('STAFF_DISABLED', tenantId),
      await auditOf('SESSION_INVALIDATED', tenantId),
    ];
    expect(events).toMatchObject([[{ actor }], [{ actor }]]);
  });

  it('is the person that OPERATOR names, where commands run in automation', async () => {
    const { tenantSlug: tenant, tenantId, email } = await seedTestUserAndToken();
    const words = ['staff', 'permissions', '--tenant', tenant, '--email', email];
    const named = { ...env, OPERATOR: 'ann@pipeline.example' };
    const changed = await operate(named, [...words, '--set', 'SETTINGS_SECURITY_VIEW']);
    expect(changed.stderr).toBe('');
    expect(await auditOf('STAFF_PERMISSIONS_CHANGED', tenantId)).toMatchObject([
      { actor: 'operator:ann@pipeline.example' },
    ]);
  });

  it.each([
    [undefined, 'deploy@db-1', 'operator:deploy@db-1'],
    [undefined, 'uid 1000@db-1', 'operator:uid_1000@db-1'],
    [undefined, 'CORP\\ann@db-1', 'operator:CORP\\ann@db-1'],
    ['ann', 'deploy@db-1', 'operator:ann@db-1'],
    ['ann@laptop', 'deploy@db-1', 'operator:ann@laptop'],
    ['ann@corp.example@laptop', 'deploy@db-1', 'operator:ann_corp.example@laptop'],
    ['Änn\u0000 \u202e=1\r\nLee', 'deploy@db-1', 'operator:Änn_1_Lee@db-1'],
    ['\u0007', 'deploy@db-1', 'operator:_@db-1'],
    ['@', 'deploy@db-1', 'operator:unknown@db-1'],
    ['a'.repeat(500), `deploy@${'h'.repeat(500)}`, `operator:${'a'.repeat(64)}@${'h'.repeat(64)}`],
  ])('%j on %j is told as %s', (named, found, actor) => {
    expect(operatorActor(named, found)).toBe(actor);
  });
});
