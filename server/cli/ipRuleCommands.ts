import { setSuspension, showIpRules } from '../ipRules';
import type { CommandTable } from './command';
import { CommandError } from './commandError';
import { tenantIdOf } from './findStaff';
import type { Invocation } from './invocation';
import { asOperator, asWriter } from './operatorContext';
import { required } from './options';
import type { Options } from './options';

/** Shows a tenant's IP rules, as `GET /api/security/ip-rules` does. */
function showCommand(options: Options, invocation: Invocation): Promise<object> {
  const slug = required(options, 'tenant');
  return asOperator(invocation, async (operator) => {
    const tenantId = await tenantIdOf(operator, slug);
    return { tenantId, ...(await showIpRules(operator.deps, tenantId)) };
  });
}

/** Suspends the rules of a tenant, or puts them in force again. */
function suspend(options: Options, invocation: Invocation, suspended: boolean): Promise<object> {
  const slug = required(options, 'tenant');
  return asWriter(options, invocation, async ({ config, deps, ctx }) => {
    const tenantId = await tenantIdOf({ config, deps, ctx }, slug);
    const before = await showIpRules(deps, tenantId);
    // Otherwise a mistyped slug would suspend nothing, and a command would say that it did.
    if (before.rules.length === 0 && before.trial === null && before.suspendedAt === null) {
      throw new CommandError(`Tenant '${slug}' has no IP rules.`);
    }
    const isSo = (before.suspendedAt !== null) === suspended;
    const after = isSo ? undefined : await setSuspension(deps, ctx, tenantId, suspended);
    if (after) return { tenantId, ...after };
    const state = suspended ? 'suspended already' : 'not suspended';
    throw new CommandError(`The IP rules of tenant '${slug}' are ${state}.`);
  });
}

/** The commands about the addresses from which a tenant lets its people and keys act. */
export const IP_RULE_COMMANDS: CommandTable = {
  'ip-rules show': {
    summary: 'Shows the IP rules of a tenant, a trial of others, and whether they are suspended.',
    usage: '--tenant S',
    example: '--tenant globex',
    run: showCommand,
  },
  'ip-rules suspend': {
    summary:
      'Suspends all IP rules of a tenant that has shut itself out. Running nodes follow within a second.',
    usage: '--tenant S',
    example: '--tenant globex',
    writes: true,
    run: (options, invocation) => suspend(options, invocation, true),
  },
  'ip-rules resume': {
    summary: 'Puts the suspended IP rules of a tenant in force again.',
    usage: '--tenant S',
    example: '--tenant globex',
    writes: true,
    run: (options, invocation) => suspend(options, invocation, false),
  },
};
