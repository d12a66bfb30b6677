import { countReturnedSessions, endReturnedSessions } from '../auth';
import { CommandError } from './commandError';
import { tenantIdOf } from './findStaff';
import type { Invocation } from './invocation';
import { asOperator, asWriter } from './operatorContext';
import type { Operator } from './operatorContext';
import { instantOf, optional } from './options';
import type { Options } from './options';

/**
 * Ends every session that a failover may have brought back. With `--dry-run` it counts them and
 * writes nothing.
 */
export function endSessionsCommand(options: Options, invocation: Invocation): Promise<object> {
  const since = instantOf(options, 'since');
  if (since === undefined) throw new CommandError('--since is missing.');
  const until = instantOf(options, 'until');
  if (until && until < since) throw new CommandError('--until lies before --since.');
  const slug = optional(options, 'tenant');
  const which = async (operator: Operator) => {
    if (since > operator.deps.clock.now()) throw new CommandError('--since lies in the future.');
    return {
      tenantId: slug === undefined ? undefined : await tenantIdOf(operator, slug),
      since,
      until,
    };
  };
  if (options['dry-run'] === true) {
    return asOperator(invocation, async (operator) => {
      const counted = await countReturnedSessions(operator.deps, await which(operator));
      return { dryRun: true, ...counted };
    });
  }
  return asWriter(options, invocation, async (operator) => {
    const { deps, ctx } = operator;
    const ended = await endReturnedSessions(deps, ctx, await which(operator));
    if (ended.people === 0)
      throw new CommandError('Nobody has a live session that began before that moment.');
    return ended;
  });
}
