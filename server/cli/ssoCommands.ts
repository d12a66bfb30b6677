import { deleteConnection, listConnections } from '../sso';
import type { CommandTable } from './command';
import { tenantIdOf } from './findStaff';
import type { Invocation } from './invocation';
import { asOperator, asWriter } from './operatorContext';
import { orNoSuch } from './orNoSuch';
import { required } from './options';
import type { Options } from './options';

/** Lists a tenant's connections, as `GET /api/tenants/sso` does. */
function listCommand(options: Options, invocation: Invocation): Promise<object> {
  const slug = required(options, 'tenant');
  return asOperator(invocation, async (operator) => {
    const tenantId = await tenantIdOf(operator, slug);
    return { tenantId, connections: await listConnections(operator.deps, tenantId) };
  });
}

function deleteCommand(options: Options, invocation: Invocation): Promise<object> {
  const slug = required(options, 'tenant');
  const connectionId = required(options, 'connection');
  return asWriter(options, invocation, async (operator) => {
    const { deps, ctx } = operator;
    const tenantId = await tenantIdOf(operator, slug);
    const authority = { via: 'operator' as const, tenantId };
    const deleted = deleteConnection(deps, ctx, authority, connectionId);
    await orNoSuch('connection', connectionId, deleted);
    return { tenantId, connectionId, deleted: true };
  });
}

/** The commands about the connections of tenants to identity providers. */
export const SSO_COMMANDS: CommandTable = {
  'sso list': {
    summary: 'Lists the connections of a tenant to identity providers, without their secrets.',
    usage: '--tenant S',
    example: '--tenant globex',
    run: listCommand,
  },
  'sso delete': {
    summary: 'Deletes a connection of a tenant to an identity provider, and erases its secrets.',
    usage: '--tenant S --connection ID',
    example: '--tenant globex --connection 0198c7a2-5a51-7d6c-8f0e-3b1f6a0c9d11',
    writes: true,
    run: deleteCommand,
  },
};
