import { endByOperator, listRunning } from '../impersonation';
import type { CommandTable } from './command';
import { tenantIdOf } from './findStaff';
import type { Invocation } from './invocation';
import { asOperator, asWriter } from './operatorContext';
import { orNoSuch } from './orNoSuch';
import { required } from './options';
import type { Options } from './options';

function listImpersonationsCommand(options: Options, invocation: Invocation) {
  const slug = required(options, 'tenant');
  return asOperator(invocation, async (operator) => {
    const tenantId = await tenantIdOf(operator, slug);
    return { tenantId, impersonations: await listRunning(operator.deps, tenantId) };
  });
}

function endImpersonationCommand(options: Options, invocation: Invocation) {
  const slug = required(options, 'tenant');
  const id = required(options, 'impersonation');
  return asWriter(options, invocation, async (operator) => {
    const { deps, ctx } = operator;
    const tenantId = await tenantIdOf(operator, slug);
    const ended = endByOperator(deps, ctx, { tenantId, id });
    const { opened, refused } = await orNoSuch('running impersonation', id, ended);
    return { tenantId, impersonationId: id, ended: true, opened, refused };
  });
}

/** The commands about members who act as others. */
export const IMPERSONATION_COMMANDS: CommandTable = {
  'impersonation list': {
    summary: 'Lists who acts as whom in a tenant now, why, and until when.',
    usage: '--tenant S',
    example: '--tenant globex',
    run: listImpersonationsCommand,
  },
  'impersonation end': {
    summary: 'Ends an impersonation: its next request is refused on every node.',
    usage: '--tenant S --impersonation ID',
    example: '--tenant globex --impersonation 0198c7a2-5a51-7d6c-8f0e-3b1f6a0c9d11',
    writes: true,
    run: endImpersonationCommand,
  },
};
