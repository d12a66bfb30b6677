import { hostname, userInfo } from 'node:os';
import { optionsOf } from '@/server/cli/command';
import { COMMANDS } from '@/server/cli/commands';
import { operatorActor } from '@/server/config/operatorSettings';
import { auditOf } from '@/tests/helpers/database/authRows';
import { operate } from '@/tests/helpers/server/operatorCommand';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { externalEnv } from '@/tests/helpers/server/serverProcess';

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
  ])('%# is told in characters that are safe, and not too many', (named, found, actor) => {
    expect(operatorActor(named, found)).toBe(actor);
  });
});

describe('the ticket of a command', () => {
  const person = async () => {
    const { tenantSlug, tenantId, email } = await seedTestUserAndToken();
    return { tenantId, words: ['--tenant', tenantSlug, '--email', email] };
  };

  it('stands in the details of every event that the command causes', async () => {
    const { tenantId, words } = await person();
    const ticket = 'OPS-17: "=cmd" ✓';
    const done = await operate(env, ['staff', 'force-logout', ...words, '--ticket', ticket]);
    expect(done.stderr).toBe('');
    expect(await auditOf('SESSION_INVALIDATED', tenantId)).toMatchObject([{ details: { ticket } }]);
  });

  it.each([[''], [' '], ['a\nb'], ['a\u0007'], ['\u202eback'], ['x'.repeat(129)]])(
    'is refused if it is empty, more than a line or too long, and nothing is done: %#',
    async (ticket) => {
      const { tenantId, words } = await person();
      const refused = await operate(env, ['staff', 'disable', ...words, `--ticket=${ticket}`]);
      expect(refused).toStrictEqual({
        code: 1,
        stdout: '',
        stderr: '--ticket must be 1 to 128 characters in one line.\n',
      });
      expect(await auditOf('STAFF_DISABLED', tenantId)).toStrictEqual([]);
    },
  );

  it('is taken by every command that writes an event, and by no other', () => {
    const taking = Object.entries(COMMANDS).filter(([, command]) => command.writes);
    expect(taking.map(([name]) => name)).toStrictEqual([
      'tenant create',
      'tenant rename',
      'tenant suspend',
      'tenant restore',
      'tenant delete',
      'staff create',
      'staff end-session',
      'staff disable',
      'staff enable',
      'staff set-end',
      'staff remove',
      'staff permissions',
      'staff roles',
      'staff force-logout',
      'staff reset-factors',
      'staff set-password',
      'staff enroll-totp',
      'staff set-email',
      'staff unlock',
      'roles create',
      'roles change',
      'roles delete',
      'permissions declare',
      'invitations create',
      'invitations resend',
      'invitations revoke',
      'impersonation end',
      'service-key create',
      'service-key rotate',
      'service-key revoke',
      'api-key revoke',
      'events declare',
      'events withdraw',
      'sessions end',
      'approvals refuse',
      'approvals policy',
      'policy reset',
      'ip-rules suspend',
      'ip-rules resume',
      'domains check',
      'sso delete',
      'db migrate',
      'feed rewind',
      'keys adopt',
    ]);
    for (const [name, command] of Object.entries(COMMANDS)) {
      expect([name, optionsOf(command).includes('ticket')]).toStrictEqual([
        name,
        command.writes === true,
      ]);
    }
  });
});
