import { checkAllDomains, showDomains } from '../domains';
import type { CommandTable } from './command';
import { tenantIdOf } from './findStaff';
import type { Invocation } from './invocation';
import { asOperator, asWriter } from './operatorContext';
import { required } from './options';
import type { Options } from './options';

/** Shows a tenant's domains, as `GET /api/tenants/domains` does. */
function listDomainsCommand(options: Options, invocation: Invocation): Promise<object> {
  const slug = required(options, 'tenant');
  return asOperator(invocation, async (operator) => {
    const tenantId = await tenantIdOf(operator, slug);
    return { tenantId, ...(await showDomains(operator.deps, tenantId)) };
  });
}

/** Looks for the records of all domains of a tenant now. */
function checkDomainsCommand(options: Options, invocation: Invocation): Promise<object> {
  const slug = required(options, 'tenant');
  return asWriter(options, invocation, async (operator) => {
    const { deps, ctx } = operator;
    const tenantId = await tenantIdOf(operator, slug);
    return { tenantId, ...(await checkAllDomains(deps, ctx, tenantId)) };
  });
}

/** The commands about the domains that a tenant proves. */
export const DOMAIN_COMMANDS: CommandTable = {
  'domains list': {
    summary: "Lists a tenant's domains: the DNS record of each, its state, and the last finding.",
    usage: '--tenant S',
    example: '--tenant globex',
    run: listDomainsCommand,
  },
  'domains check': {
    summary: "Looks for the DNS records of all of a tenant's domains now.",
    usage: '--tenant S',
    example: '--tenant globex',
    writes: true,
    run: checkDomainsCommand,
  },
};
